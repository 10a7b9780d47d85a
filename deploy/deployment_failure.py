"""Why a Nomad deployment failed: the check, artifact or lack of resources behind it."""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import requests
from pulumi.automation import CommandError

from deploy.failure import Failure
from infra import mtls
from infra.mtls import Credentials

REQUEST_TIMEOUT_S = 5.0
NOMAD_PROVIDER_TYPE = "pulumi:providers:nomad"
_FAILED_JOB = re.compile(r"error waiting for job '([^']+)'")
_DEPLOYMENT = re.compile(r"deployment '([0-9a-f-]{36})'")
_UNHEALTHY_CHECK = re.compile(r"check .* unhealthy")
_CHECKSUM = re.compile(
    r"Checksums did not match.*?Expected: *([0-9a-f]+).*?Got: *([0-9a-f]+)", re.DOTALL
)
_FAILURE_EVENTS = ("Driver Failure", "Setup Failure", "Failed Validation", "Template Failed")

Get = Callable[[str], Any]
"""Returns the response of Nomad's API to a path after ``/v1/``."""


@dataclass(frozen=True)
class Cause:
    """One cause, and the text by which the provider's own line about it is recognized."""

    subject: str
    text: str


def explain(
    failures: Iterable[Failure], resources: Callable[[], list[dict[str, Any]]]
) -> list[Failure]:
    """Return the failures; those of a deployment with the causes that Nomad knows.

    The causes replace the provider's own lines about the same allocations.

    Args:
        resources: returns those of the state with secrets in plain text, for Nomad's address and
            credentials. Called only if needed.
    """
    return [
        _explain(failure, match[1], resources)
        if failure.type == "Job" and (match := _FAILED_JOB.search(failure.message))
        else failure
        for failure in failures
    ]


def _explain(failure: Failure, job: str, resources: Callable[[], list[dict[str, Any]]]) -> Failure:
    deployment = _DEPLOYMENT.search(failure.message)
    try:
        providers = [
            resource["inputs"]
            for resource in resources()
            if resource["type"] == NOMAD_PROVIDER_TYPE
        ]
        if not providers:
            return failure
        causes = _causes(_client(providers[-1]), job, deployment[1] if deployment else "")
    except (requests.RequestException, ssl.SSLError, CommandError, KeyError, ValueError):
        return failure  # Without Nomad or the state, the provider's message is all there is.
    headline, *lines = failure.message.splitlines()
    kept = [line for line in lines if not any(cause.subject in line for cause in causes)]
    explained = dict.fromkeys(f"{job}: {cause.text}" for cause in causes)
    return replace(failure, message="\n".join([headline, *explained, *kept]))


def _client(provider: Mapping[str, Any]) -> Get:
    """Return a client with the credentials of the Nomad provider.

    The outputs are no source for them: a stack whose first update failed has none.
    """
    credentials = Credentials(
        authority=provider["caPem"], certificate=provider["certPem"], key=provider["keyPem"]
    )
    session = mtls.session(credentials, {"X-Nomad-Token": provider["secretId"]})
    address = str(provider["address"]).rstrip("/")

    def get(path: str) -> Any:
        response = session.get(f"{address}/v1/{path}", timeout=REQUEST_TIMEOUT_S)
        response.raise_for_status()
        return response.json()

    return get


def _causes(get: Get, job: str, deployment: str) -> list[Cause]:
    """Return the causes of a deployment; without an id, of the last failed or else newest one."""
    if not deployment:
        deployments = sorted(
            get(f"job/{job}/deployments"), key=lambda candidate: int(candidate["CreateIndex"])
        )
        failed = [candidate for candidate in deployments if candidate["Status"] == "failed"]
        deployment = str((failed or deployments)[-1]["ID"]) if deployments else ""
    allocations = get(f"deployment/allocations/{deployment}") if deployment else []
    evaluations = [
        evaluation
        for evaluation in get(f"job/{job}/evaluations")
        if evaluation.get("DeploymentID") == deployment
    ]
    causes = [*_placement_causes(evaluations)]
    for allocation in allocations:
        causes += _allocation_causes(allocation)
    return causes


def _placement_causes(evaluations: Iterable[Mapping[str, Any]]) -> Iterator[Cause]:
    """Yield the causes in the newest evaluation that found no node for a task group."""
    newest = max(
        (evaluation for evaluation in evaluations if evaluation.get("FailedTGAllocs")),
        key=lambda evaluation: int(evaluation["CreateIndex"]),
        default=None,
    )
    for group, metric in (newest["FailedTGAllocs"] if newest else {}).items():
        yield Cause(
            f"task group '{group}': failed to place",
            "; ".join(_placement_reasons(metric)) or "no node fits",
        )


def _placement_reasons(metric: Mapping[str, Any]) -> Iterator[str]:
    if not metric.get("NodesEvaluated"):
        yield "there is no node to run it"
    if exhausted := metric.get("DimensionExhausted") or {}:
        yield "no node has enough resources: " + ", ".join(
            f"{dimension} exhausted on {count}" for dimension, count in sorted(exhausted.items())
        )
    for constraint, count in sorted((metric.get("ConstraintFiltered") or {}).items()):
        yield f"{count} node(s) do not meet {constraint}"


def _allocation_causes(allocation: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield the most specific causes in the events of an unhealthy allocation."""
    if (allocation.get("DeploymentStatus") or {}).get("Healthy"):
        return
    short_id = str(allocation["ID"])[:8]
    events = [
        event
        for state in (allocation.get("TaskStates") or {}).values()
        for event in state.get("Events") or []
    ]
    for reason_in in (
        _failed_check,
        _failed_artifact,
        _failed_task_setup,
        _failed_exit,
        _unhealthy_mark,
    ):
        if reasons := dict.fromkeys(reason for event in events if (reason := reason_in(event))):
            where = f"on {allocation['NodeName']} (instance {short_id})"
            for reason in reasons:
                yield Cause(f"allocation {short_id}", f"{reason} {where}")
            return


def _failed_check(event: Mapping[str, Any]) -> str:
    if event["Type"] != "Restart Signaled":
        return ""
    match = _UNHEALTHY_CHECK.search(str(event["DisplayMessage"]))
    return match[0] if match else ""


def _failed_artifact(event: Mapping[str, Any]) -> str:
    if event["Type"] != "Failed Artifact Download":
        return ""
    if match := _CHECKSUM.search(event["DisplayMessage"]):
        return f"artifact checksum mismatch (expected {match[1]}, found {match[2]})"
    return _on_one_line(event)


def _failed_task_setup(event: Mapping[str, Any]) -> str:
    return _on_one_line(event) if event["Type"] in _FAILURE_EVENTS else ""


def _failed_exit(event: Mapping[str, Any]) -> str:
    if event["Type"] != "Terminated":
        return ""
    details = event.get("Details") or {}
    if details.get("oom_killed") == "true":
        return "killed because it ran out of memory"
    code = details.get("exit_code", "0")
    return f"exited with code {code}" if code != "0" else ""


def _unhealthy_mark(event: Mapping[str, Any]) -> str:
    """Return Nomad's general reason: a deadline has passed, or a task has failed."""
    return str(event["DisplayMessage"]) if event["Type"] == "Alloc Unhealthy" else ""


def _on_one_line(event: Mapping[str, Any]) -> str:
    return " ".join(str(event["DisplayMessage"]).split())
