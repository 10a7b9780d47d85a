"""Jobs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.nomad import job_state, jobspec
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.nomad.deployment import wait_for_deployment
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    map_of,
    object_of,
    output,
)
from rehearsal.plugins.resource import Change, Resource, Timeouts
from rehearsal.plugins.values import UNKNOWN

RECOMPUTED = ("allocationIds", "modifyIndex", "region", "status")
"""Outputs that the official plugin marks as changing with every update of a job."""

HCL2: Properties = {"allowFs": Property(BOOLEAN), "vars": Property(map_of(STRING))}


class Job(Resource[Nomad]):
    """A job. Unless ``detach`` is set, the resource waits for the deployment."""

    token = "nomad:index/job:Job"
    timeouts = Timeouts(create=300, update=300)
    properties: ClassVar[Properties] = {
        "deregisterOnDestroy": Property(BOOLEAN, default=True),
        "deregisterOnIdChange": Property(BOOLEAN, default=True),
        "detach": Property(BOOLEAN, default=True),
        "hcl2": Property(object_of(HCL2), supported=False),
        "jobspec": Property(STRING, required=True, is_equivalent=jobspec.is_same_job),
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
                    "the provider emulator supports JSON jobs only: set json=True; "
                    "HCL needs the official plugin",
                )
            ]
        text = inputs.get("jobspec", UNKNOWN)
        try:
            if text != UNKNOWN:
                jobspec.parse(text)
        except PluginError as error:
            return [Failure("jobspec", str(error))]
        return []

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Validate a changed job with Nomad's plan and add the outputs that will change."""
        is_rerun = bool(new["rerunIfDead"]) and old.get("status") == "dead"
        if old and not is_rerun and not any(item.key == "jobspec" for item in differences):
            return differences
        if new["jobspec"] == UNKNOWN:
            outputs = [key for key, item in self.properties.items() if old and not item.input]
            return [*differences, *map(Difference, outputs)]
        job = jobspec.parse(new["jobspec"])
        self._plan(job, new)
        if not old:
            return differences
        if old["namespace"] != job["Namespace"]:
            differences = [*differences, Difference("namespace", replaces=True)]
        elif old["name"] != job["ID"]:
            replaces = bool(new["deregisterOnIdChange"])
            differences = [*differences, Difference("name", replaces=replaces)]
        return [*differences, *map(Difference, RECOMPUTED)]

    def create(self, change: Change) -> None:
        self._register(change)

    def read(self, resource_id: str, state: State) -> State | None:
        """Read the job. The id of an import may be ``JOB@NAMESPACE``."""
        job_id, _, namespace = resource_id.partition("@")
        query = {"namespace": state.get("namespace") or namespace or jobspec.DEFAULT_NAMESPACE}
        job = self.client.find(f"/v1/job/{job_id}", query)
        if job is None:
            return None
        properties = job_state.job_properties(job)
        submission = self.client.find(
            f"/v1/job/{job_id}/submission", {**query, "version": str(job["Version"])}
        )
        if submission and submission["Format"] == "json":
            properties["jobspec"] = submission["Source"]
        properties["allocationIds"] = (
            self._allocation_ids(job_id, query) if state.get("readAllocationIds") else []
        )
        if state:
            return properties
        defaults = {
            key: item.default for key, item in self.properties.items() if item.default is not None
        }
        return defaults | {"json": True} | properties

    def update(self, change: Change) -> None:
        self._register(change)

    def delete(self, change: Change) -> None:
        old = change.old
        if not old.get("deregisterOnDestroy", True):
            return
        query = {
            "namespace": old.get("namespace") or jobspec.DEFAULT_NAMESPACE,
            "purge": str(bool(old.get("purgeOnDestroy"))).lower(),
        }
        with error_context("error deregistering job"):
            self.client.call("DELETE", f"/v1/job/{change.id}", query=query)

    def _plan(self, job: Mapping[str, Any], new: State) -> None:
        body = {"Job": job, "Diff": False, "PolicyOverride": bool(new.get("policyOverride"))}
        query = {"namespace": job["Namespace"]}
        with error_context("error validating the job with Nomad's plan"):
            self.client.call("PUT", f"/v1/job/{job['ID']}/plan", body, query)

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
            key: True for key, enabled in flags.items() if enabled
        }
        query = {"namespace": job["Namespace"]}
        with error_context("error applying jobspec"):
            evaluation_id = self.client.call("PUT", "/v1/jobs", body, query)["EvalID"]
        change.id = job["ID"]
        change.outputs.update(namespace=job["Namespace"], deploymentId=None, deploymentStatus=None)
        if new["detach"] or not evaluation_id:
            return
        with error_context(f"error waiting for job '{job['ID']}' to schedule/deploy successfully"):
            deployment = wait_for_deployment(
                self.client, evaluation_id, job["Namespace"], change.deadline
            )
        if deployment:
            change.outputs.update(
                deploymentId=deployment["ID"], deploymentStatus=deployment["Status"]
            )

    def _allocation_ids(self, job_id: str, query: Mapping[str, str]) -> list[str]:
        return [
            item["ID"]
            for item in self.client.call("GET", f"/v1/job/{job_id}/allocations", query=query)
        ]
