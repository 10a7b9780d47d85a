"""Waiting for the deployment of a registered job, with the reasons of a failure."""

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.plugins.deadline import Deadline
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.api import Nomad

FAILURE_EVENT_TYPES = frozenset(
    {
        "Alloc Unhealthy",
        "Driver Failure",
        "Failed Artifact Download",
        "Failed Validation",
        "Not Restarting",
        "Restart Signaled",
        "Setup Failure",
        "Template Failed",
        "Terminated",
    }
)
"""Types of task events that explain why an allocation is unhealthy."""

MAX_EVENTS = 8

FAILED_STATUSES = ("failed", "cancelled")


def wait_for_deployment(
    client: Nomad, evaluation_id: str, namespace: str, deadline: Deadline
) -> Mapping[str, Any] | None:
    """Wait for the evaluation, its follow-ups and the deployment.

    Returns the deployment, None if the job has none.

    Raises:
        PluginError: the deployment failed or was reverted, or the time is over. The message has
            the reasons.
    """
    evaluation = _wait_for_evaluation(client, evaluation_id, namespace, deadline)
    deployment_id = evaluation.get("DeploymentID")
    if not deployment_id:
        return None

    def failure(reason: str) -> PluginError:
        reasons = _failure_reasons(client, evaluation, deployment_id, namespace)
        return PluginError("\n  ".join([reason, *reasons]))

    path, query = f"/v1/deployment/{deployment_id}", {"namespace": namespace}
    while True:
        deployment: Mapping[str, Any] = client.call("GET", path, query=query)
        status, description = deployment["Status"], deployment["StatusDescription"]
        if status == "successful":
            return deployment
        if status in FAILED_STATUSES:
            raise failure(
                f"deployment '{deployment_id}' terminated with status '{status}': '{description}'"
            )
        try:
            deadline.sleep(
                f"deployment '{deployment_id}' (last state: '{status}': '{description}')"
            )
        except PluginError as error:
            raise failure(str(error)) from error


def _wait_for_evaluation(
    client: Nomad, evaluation_id: str, namespace: str, deadline: Deadline
) -> Mapping[str, Any]:
    query = {"namespace": namespace, "related": "true"}
    while True:
        evaluation: Mapping[str, Any] = client.call(
            "GET", f"/v1/evaluation/{evaluation_id}", query=query
        )
        status = evaluation["Status"]
        if status in FAILED_STATUSES:
            raise PluginError(f"evaluation failed: {evaluation.get('StatusDescription', '')}")
        if status == "complete" and not evaluation.get("NextEval"):
            return evaluation
        if status == "complete":
            evaluation_id = evaluation["NextEval"]
        deadline.sleep(f"evaluation '{evaluation_id}' (last state: '{status}')")


def _failure_reasons(
    client: Nomad, evaluation: Mapping[str, Any], deployment_id: str, namespace: str
) -> list[str]:
    """Return why allocations were not placed or are not healthy, one line per reason."""
    reasons = placement_failures(evaluation.get("FailedTGAllocs") or {})
    try:
        allocations = client.call(
            "GET", f"/v1/deployment/allocations/{deployment_id}", query={"namespace": namespace}
        )
    except PluginError:
        allocations = []
    for allocation in allocations:
        if not (allocation.get("DeploymentStatus") or {}).get("Healthy"):
            reasons += _failure_events(allocation)
    return reasons


def placement_failures(groups: Mapping[str, Any]) -> list[str]:
    """Return why allocations were not placed, one line per task group."""
    lines = []
    for group, metric in groups.items():
        count = metric.get("CoalescedFailures", 0) + 1
        allocations = "allocations" if count > 1 else "allocation"
        reasons = "; ".join(_placement_reasons(metric))
        lines.append(f"task group '{group}': failed to place {count} {allocations}: {reasons}")
    return lines


def _placement_reasons(metric: Mapping[str, Any]) -> Iterator[str]:
    if not metric.get("NodesEvaluated"):
        yield "No nodes were eligible for evaluation"
    for datacenter, count in (metric.get("NodesAvailable") or {}).items():
        if not count:
            yield f"No nodes are available in datacenter '{datacenter}'"
    for kind, count in (metric.get("ClassFiltered") or {}).items():
        yield f"Class '{kind}': {count} nodes excluded by filter"
    for constraint, count in (metric.get("ConstraintFiltered") or {}).items():
        yield f"Constraint '{constraint}': {count} nodes excluded by filter"
    if metric.get("NodesExhausted"):
        yield f"Resources exhausted on {metric['NodesExhausted']} nodes"
    for dimension, count in (metric.get("DimensionExhausted") or {}).items():
        yield f"Dimension '{dimension}' exhausted on {count} nodes"


def _failure_events(allocation: Mapping[str, Any]) -> list[str]:
    """Return the last failure events of an allocation's tasks, without repetitions."""
    events: dict[str, None] = {}
    for task, state in (allocation.get("TaskStates") or {}).items():
        for event in state.get("Events") or []:
            if event["Type"] in FAILURE_EVENT_TYPES:
                message = f"{event['Type']}: {event['DisplayMessage']}"
                events[f"allocation {allocation['ID'][:8]}, task '{task}': {message}"] = None
    return list(events)[-MAX_EVENTS:]
