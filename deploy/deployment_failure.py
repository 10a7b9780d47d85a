"""Why a Nomad deployment failed: the check, the artifact or the lack of room behind "unhealthy allocations"."""

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

TIMEOUT_SECONDS = 5.0
_WAITED_FOR = re.compile(r"error waiting for job '([^']+)'")
_DEPLOYMENT = re.compile(r"deployment '([0-9a-f-]{36})'")
_CHECK = re.compile(r"check .* unhealthy")
_CHECKSUM = re.compile(
    r"Checksums did not match.*?Expected: *([0-9a-f]+).*?Got: *([0-9a-f]+)", re.DOTALL
)
_BROKEN = ("Driver Failure", "Setup Failure", "Failed Validation", "Template Failed")


@dataclass(frozen=True)
class Cause:
    """One cause, and the word by which a plugin's own line about the same thing is known."""

    about: str
    text: str


def explain(
    failures: Iterable[Failure], resources: Callable[[], list[dict[str, Any]]]
) -> list[Failure]:
    """The failures; those of a job's deployment with the causes that its Nomad knows, in the place of what the plugin told of them.

    ``resources`` gives those of the stack's state with secrets in clear, which tell where Nomad is and who may ask it; it is
    called only if needed.
    """
    return [
        _explained(one, resources) if one.type == "Job" and _WAITED_FOR.search(one.message) else one
        for one in failures
    ]


def _explained(one: Failure, resources: Callable[[], list[dict[str, Any]]]) -> Failure:
    waited, named = _WAITED_FOR.search(one.message), _DEPLOYMENT.search(one.message)
    if not waited:
        return one
    try:
        providers = [
            known["inputs"] for known in resources() if known["type"] == "pulumi:providers:nomad"
        ]
        causes = (
            _causes(_asking(providers[-1]), waited[1], named[1] if named else "")
            if providers
            else []
        )
    except (requests.RequestException, ssl.SSLError, CommandError, KeyError, ValueError):
        return one  # the failure itself is what counts; a Nomad that is away cannot add to it
    headline, *lines = one.message.splitlines()
    kept = [line for line in lines if not any(cause.about in line for cause in causes)]
    return replace(
        one,
        message="\n".join(
            [headline, *dict.fromkeys(f"{waited[1]}: {cause.text}" for cause in causes), *kept]
        ),
    )


def _asking(provider: Mapping[str, Any]) -> Callable[[str], Any]:
    """What asks Nomad with the means of the ``provider`` whose job failed: a stack's first update ends with no outputs if it fails."""
    credentials = Credentials(
        authority=provider["caPem"], certificate=provider["certPem"], key=provider["keyPem"]
    )
    session = mtls.session(credentials, {"X-Nomad-Token": provider["secretId"]})
    address = str(provider["address"]).rstrip("/")

    def get(path: str) -> Any:
        response = session.get(f"{address}/v1/{path}", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()

    return get


def _causes(get: Callable[[str], Any], job: str, deployment: str) -> list[Cause]:
    if not deployment:
        made = sorted(get(f"job/{job}/deployments"), key=lambda one: int(one["CreateIndex"]))
        failed = [one for one in made if one["Status"] == "failed"]
        deployment = str((failed or made)[-1]["ID"]) if made else ""
    allocations = get(f"deployment/allocations/{deployment}") if deployment else []
    evaluations = [
        one for one in get(f"job/{job}/evaluations") if one.get("DeploymentID") == deployment
    ]
    return [*_unplaced(evaluations), *(cause for one in allocations for cause in _unhealthy(one))]


def _unplaced(evaluations: Iterable[Mapping[str, Any]]) -> Iterator[Cause]:
    """By the latest evaluation that found no node for something."""
    newest = max(
        (one for one in evaluations if one.get("FailedTGAllocs")),
        key=lambda one: int(one["CreateIndex"]),
        default=None,
    )
    for group, metric in (newest["FailedTGAllocs"] if newest else {}).items():
        yield Cause(
            f"task group '{group}': failed to place",
            "; ".join(_why_unplaced(metric)) or "no node fits",
        )


def _why_unplaced(metric: Mapping[str, Any]) -> Iterator[str]:
    if not metric.get("NodesEvaluated"):
        yield "no node is there to run it"
    if exhausted := metric.get("DimensionExhausted") or {}:
        yield "no node has room: " + ", ".join(
            f"{dimension} exhausted on {count}" for dimension, count in sorted(exhausted.items())
        )
    for constraint, count in sorted((metric.get("ConstraintFiltered") or {}).items()):
        yield f"{count} node(s) do not meet {constraint}"


def _unhealthy(allocation: Mapping[str, Any]) -> Iterator[Cause]:
    """The best that an allocation's events tell, from the most telling kind to the least."""
    if (allocation.get("DeploymentStatus") or {}).get("Healthy"):
        return
    number = str(allocation["ID"])[:8]
    events = [
        event
        for state in (allocation.get("TaskStates") or {}).values()
        for event in state.get("Events") or []
    ]
    for tell in (_check, _artifact, _breakage, _exit, _mark):
        if told := dict.fromkeys(text for event in events if (text := tell(event))):
            where = f"on {allocation['NodeName']} (instance {number})"
            yield from (Cause(f"allocation {number}", f"{text} {where}") for text in told)
            return


def _check(event: Mapping[str, Any]) -> str:
    found = (
        _CHECK.search(str(event["DisplayMessage"])) if event["Type"] == "Restart Signaled" else None
    )
    return found[0] if found else ""


def _artifact(event: Mapping[str, Any]) -> str:
    if event["Type"] != "Failed Artifact Download":
        return ""
    if wrong := _CHECKSUM.search(event["DisplayMessage"]):
        return f"artifact checksum mismatch (expected {wrong[1]}, found {wrong[2]})"
    return " ".join(str(event["DisplayMessage"]).split())


def _breakage(event: Mapping[str, Any]) -> str:
    return " ".join(str(event["DisplayMessage"]).split()) if event["Type"] in _BROKEN else ""


def _exit(event: Mapping[str, Any]) -> str:
    if event["Type"] != "Terminated":
        return ""
    details = event.get("Details") or {}
    if details.get("oom_killed") == "true":
        return "killed for want of memory"
    return (
        f"exited with code {details['exit_code']}" if details.get("exit_code", "0") != "0" else ""
    )


def _mark(event: Mapping[str, Any]) -> str:
    """What Nomad says when it knows no more: not in time, or a failed task."""
    return str(event["DisplayMessage"]) if event["Type"] == "Alloc Unhealthy" else ""
