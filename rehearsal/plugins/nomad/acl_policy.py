"""ACL policies."""

from typing import ClassVar

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.nomad.jobspec import NAMESPACE
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, object_of

FIELDS = {"namespace": "Namespace", "jobId": "JobID", "group": "Group", "task": "Task"}
JOB_ACL: Properties = {
    key: Property(STRING, default=NAMESPACE if key == "namespace" else None) for key in FIELDS
}


class AclPolicy(Resource[Nomad]):
    """Rules under a name, for tokens or, with ``jobAcl``, for the workloads of a job."""

    token = "nomad:index/aclPolicy:AclPolicy"
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "jobAcl": Property(object_of(JOB_ACL)),
        "name": name(replaces=True),
        "rulesHcl": Property(STRING, required=True),
    }

    def create(self, change: Change) -> None:
        self._put(change, "inserting")
        change.id = change.new["name"]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v1/acl/policy/{resource_id}")
        if found is None:
            return None
        job = found.get("JobACL")
        bound = (
            {"jobAcl": job and {key: job[field] for key, field in FIELDS.items()}}
            if job or state.get("jobAcl")
            else {}
        )
        return {
            "name": found["Name"],
            "description": found["Description"],
            "rulesHcl": found["Rules"],
            **bound,
        }

    def update(self, change: Change) -> None:
        self._put(change, "updating")

    def delete(self, change: Change) -> None:
        try:
            self.client.call("DELETE", f"/v1/acl/policy/{change.id}")
        except PluginError as error:
            raise PluginError(f'error deleting ACLPolicy "{change.id}": {error}') from error

    def _put(self, change: Change, verb: str) -> None:
        new = change.new
        job = new.get("jobAcl")
        body = {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Rules": new["rulesHcl"],
            "JobACL": job and {field: job.get(key, "") for key, field in FIELDS.items()},
        }
        try:
            self.client.call("PUT", f"/v1/acl/policy/{new['name']}", body)
        except PluginError as error:
            raise PluginError(f'error {verb} ACLPolicy "{new["name"]}": {error}') from error
