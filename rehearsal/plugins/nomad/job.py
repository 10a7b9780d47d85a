"""Jobs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad import job_state, jobspec
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.nomad.deployment import follow
from rehearsal.plugins.resource import Change, Resource, Timeouts
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, list_of, map_of, object_of, output
from rehearsal.plugins.values import UNKNOWN

RECOMPUTED = ("allocationIds", "modifyIndex", "region", "status")
"""What the official plugin says will change with any job."""

HCL2: Properties = {"allowFs": Property(BOOLEAN), "vars": Property(map_of(STRING))}


class Job(Resource[Nomad]):
    """A job, registered and, unless detached, followed until its deployment ends."""

    token = "nomad:index/job:Job"
    timeouts = Timeouts(create=300, update=300)
    properties: ClassVar[Properties] = {
        "deregisterOnDestroy": Property(BOOLEAN, default=True),
        "deregisterOnIdChange": Property(BOOLEAN, default=True),
        "detach": Property(BOOLEAN, default=True),
        "hcl2": Property(object_of(HCL2), supported=False),
        "jobspec": Property(STRING, required=True, same=jobspec.same),
        "json": Property(BOOLEAN),
        "policyOverride": Property(BOOLEAN),
        "preserveCounts": Property(BOOLEAN, default=False),
        "purgeOnDestroy": Property(BOOLEAN),
        "readAllocationIds": Property(BOOLEAN, default=False),
        "rerunIfDead": Property(BOOLEAN, default=False),
        **job_state.OUTPUTS,
        "allocationIds": output(list_of(STRING)),
        "deploymentId": output(STRING),
        "deploymentStatus": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        if not inputs.get("json"):
            return [
                Failure(
                    "jobspec",
                    "this stand-in plugin reads jobs as JSON only: set json=True; HCL needs the official plugin",
                )
            ]
        text = inputs.get("jobspec", UNKNOWN)
        try:
            if text != UNKNOWN:
                jobspec.parse(text)
        except PluginError as error:
            return [Failure("jobspec", str(error))]
        return []

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        """Asks Nomad to plan a job that changes, which also validates it, and says what the change will touch."""
        rerun = bool(new["rerunIfDead"]) and old.get("status") == "dead"
        if old and not rerun and not any(item.key == "jobspec" for item in found):
            return found
        if new["jobspec"] == UNKNOWN:
            return (
                [
                    *found,
                    *(Difference(key) for key, item in self.properties.items() if not item.input),
                ]
                if old
                else found
            )
        job = jobspec.parse(new["jobspec"])
        self._plan(job, new)
        if not old:
            return found
        if old["namespace"] != job["Namespace"]:
            found = [*found, Difference("namespace", replaces=True)]
        elif old["name"] != job["ID"]:
            found = [*found, Difference("name", replaces=bool(new["deregisterOnIdChange"]))]
        return [*found, *(Difference(key) for key in RECOMPUTED)]

    def create(self, change: Change) -> None:
        self._register(change)

    def read(self, resource_id: str, state: State) -> State | None:
        """On an import the id may name the namespace: ``job@namespace``."""
        job_id, _, named = resource_id.partition("@")
        query = {"namespace": state.get("namespace") or named or jobspec.NAMESPACE}
        job = self.client.find(f"/v1/job/{job_id}", query)
        if job is None:
            return None
        found = job_state.shape(job)
        submission = self.client.find(
            f"/v1/job/{job_id}/submission", {**query, "version": str(job["Version"])}
        )
        if submission and submission["Format"] == "json":
            found["jobspec"] = submission["Source"]
        imported = (
            {}
            if state
            else {
                key: item.default
                for key, item in self.properties.items()
                if item.default is not None
            }
            | {"json": True}
        )
        return (
            imported
            | found
            | {
                "allocationIds": self._allocations(job_id, query)
                if state.get("readAllocationIds")
                else []
            }
        )

    def update(self, change: Change) -> None:
        self._register(change)

    def delete(self, change: Change) -> None:
        old = change.old
        if not old.get("deregisterOnDestroy", True):
            return
        query = {
            "namespace": old.get("namespace") or jobspec.NAMESPACE,
            "purge": str(bool(old.get("purgeOnDestroy"))).lower(),
        }
        try:
            self.client.call("DELETE", f"/v1/job/{change.id}", query=query)
        except PluginError as error:
            raise PluginError(f"error deregistering job: {error}") from error

    def _plan(self, job: Mapping[str, Any], new: State) -> None:
        body = {"Job": job, "Diff": False, "PolicyOverride": bool(new.get("policyOverride"))}
        try:
            self.client.call(
                "PUT", f"/v1/job/{job['ID']}/plan", body, {"namespace": job["Namespace"]}
            )
        except PluginError as error:
            raise PluginError(f"error validating the job with Nomad's plan: {error}") from error

    def _register(self, change: Change) -> None:
        new = change.new
        job = jobspec.parse(new["jobspec"])
        submission = {
            "Format": "json",
            "Source": new["jobspec"],
            "VariableFlags": None,
            "Variables": "",
        }
        flags = {
            "PolicyOverride": new.get("policyOverride"),
            "PreserveCounts": new.get("preserveCounts"),
        }
        body = {"Job": job, "Submission": submission} | {
            key: True for key, wanted in flags.items() if wanted
        }
        query = {"namespace": job["Namespace"]}
        try:
            answer = self.client.call("PUT", "/v1/jobs", body, query)
        except PluginError as error:
            raise PluginError(f"error applying jobspec: {error}") from error
        change.id = job["ID"]
        change.learned.update(namespace=job["Namespace"], deploymentId=None, deploymentStatus=None)
        if new["detach"] or not answer["EvalID"]:
            return
        try:
            deployment = follow(self.client, answer["EvalID"], job["Namespace"], change.clock)
        except PluginError as error:
            raise PluginError(
                f"error waiting for job '{job['ID']}' to schedule/deploy successfully: {error}"
            ) from error
        if deployment:
            change.learned.update(
                deploymentId=deployment["ID"], deploymentStatus=deployment["Status"]
            )

    def _allocations(self, job_id: str, query: Mapping[str, str]) -> list[str]:
        return [
            item["ID"]
            for item in self.client.call("GET", f"/v1/job/{job_id}/allocations", query=query)
        ]
