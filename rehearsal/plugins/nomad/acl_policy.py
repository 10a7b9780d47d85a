"""ACL policies."""

from typing import ClassVar

from rehearsal.plugins.errors import error_context
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.nomad.jobspec import DEFAULT_NAMESPACE
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, object_of
from rehearsal.plugins.resource import Change, Resource

FIELDS = {"namespace": "Namespace", "jobId": "JobID", "group": "Group", "task": "Task"}
JOB_ACL: Properties = {
    key: Property(STRING, default=DEFAULT_NAMESPACE if key == "namespace" else None)
    for key in FIELDS
}


class AclPolicy(Resource[Nomad]):
    """An ACL policy for tokens or, with ``jobAcl``, for the workload identities of a job."""

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
        policy = self.client.find(f"/v1/acl/policy/{resource_id}")
        if policy is None:
            return None
        job = policy.get("JobACL")
        job_acl = (
            {"jobAcl": job and {key: job[field] for key, field in FIELDS.items()}}
            if job or state.get("jobAcl")
            else {}
        )
        return {
            "name": policy["Name"],
            "description": policy["Description"],
            "rulesHcl": policy["Rules"],
            **job_acl,
        }

    def update(self, change: Change) -> None:
        self._put(change, "updating")

    def delete(self, change: Change) -> None:
        with error_context(f'error deleting ACLPolicy "{change.id}"'):
            self.client.call("DELETE", f"/v1/acl/policy/{change.id}")

    def _put(self, change: Change, verb: str) -> None:
        new = change.new
        job = new.get("jobAcl")
        body = {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Rules": new["rulesHcl"],
            "JobACL": job and {field: job.get(key, "") for key, field in FIELDS.items()},
        }
        with error_context(f'error {verb} ACLPolicy "{new["name"]}"'):
            self.client.call("PUT", f"/v1/acl/policy/{new['name']}", body)
