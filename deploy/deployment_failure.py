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
from infra.cluster_api.failure_causes import allocation_causes, placement_causes
from infra.mtls import Credentials

REQUEST_TIMEOUT_S = 5.0
NOMAD_PROVIDER_TYPE = "pulumi:providers:nomad"
_FAILED_JOB = re.compile(r"error waiting for job '([^']+)'")
_DEPLOYMENT = re.compile(r"deployment '([0-9a-f-]{36})'")

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
            "; ".join(placement_causes(metric)) or "no node fits",
        )


def _allocation_causes(allocation: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield the causes of an unhealthy allocation."""
    if (allocation.get("DeploymentStatus") or {}).get("Healthy"):
        return
    short_id = str(allocation["ID"])[:8]
    for cause in allocation_causes(allocation):
        yield Cause(
            f"allocation {short_id}",
            f"{cause} on {allocation['NodeName']} (instance {short_id})",
        )
