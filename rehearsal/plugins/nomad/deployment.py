"""Following a registered job until its deployment ends, and why it failed."""

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.plugins.deadline import Clock
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.api import Nomad

TELLING = frozenset(
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
"""Task events that say why an allocation is not healthy."""

MOST_EVENTS = 8

ENDED = ("failed", "cancelled")


def follow(
    client: Nomad, evaluation_id: str, namespace: str, clock: Clock
) -> Mapping[str, Any] | None:
    """Wait for the evaluation, the ones that follow it, and the deployment; None when the job has no deployment.

    Raises:
        PluginError: the deployment failed (one that was reverted has failed too) or the time is over; with the reason.
    """
    evaluation = _evaluated(client, evaluation_id, namespace, clock)
    if not evaluation.get("DeploymentID"):
        return None
    path = f"/v1/deployment/{evaluation['DeploymentID']}"
    while True:
        deployment: Mapping[str, Any] = client.call("GET", path, query={"namespace": namespace})
        status = deployment["Status"]
        if status == "successful":
            return deployment
        if status in ENDED:
            reason = f"deployment '{deployment['ID']}' terminated with status '{status}': '{deployment['StatusDescription']}'"
            raise PluginError(_explained(client, reason, evaluation, deployment, namespace))
        try:
            clock.pause(
                f"deployment '{deployment['ID']}' (last state: '{status}': '{deployment['StatusDescription']}')"
            )
        except PluginError as error:
            raise PluginError(
                _explained(client, str(error), evaluation, deployment, namespace)
            ) from error


def _evaluated(
    client: Nomad, evaluation_id: str, namespace: str, clock: Clock
) -> Mapping[str, Any]:
    while True:
        evaluation: Mapping[str, Any] = client.call(
            "GET",
            f"/v1/evaluation/{evaluation_id}",
            query={"namespace": namespace, "related": "true"},
        )
        status = evaluation["Status"]
        if status in ENDED:
            raise PluginError(f"evaluation failed: {evaluation.get('StatusDescription', '')}")
        if status == "complete" and not evaluation.get("NextEval"):
            return evaluation
        if status == "complete":
            evaluation_id = evaluation["NextEval"]
        clock.pause(f"evaluation '{evaluation_id}' (last state: '{status}')")


def _explained(
    client: Nomad,
    reason: str,
    evaluation: Mapping[str, Any],
    deployment: Mapping[str, Any],
    namespace: str,
) -> str:
    """The reason with what Nomad knows of the allocations that could not be placed or did not turn healthy."""
    lines = [reason, *placement_failures(evaluation.get("FailedTGAllocs") or {})]
    query = {"namespace": namespace}
    try:
        allocations = client.call(
            "GET", f"/v1/deployment/allocations/{deployment['ID']}", query=query
        )
    except PluginError:
        allocations = []
    for allocation in allocations:
        if not (allocation.get("DeploymentStatus") or {}).get("Healthy"):
            lines += _troubles(allocation)
    return "\n  ".join(lines)


def placement_failures(groups: Mapping[str, Any]) -> list[str]:
    """Why allocations found no node, a line a task group and reason."""
    lines = []
    for group, metric in groups.items():
        missing = metric.get("CoalescedFailures", 0) + 1
        lines.append(
            f"task group '{group}': failed to place {missing} allocation{'s' if missing > 1 else ''}: {'; '.join(_why(metric))}"
        )
    return lines


def _why(metric: Mapping[str, Any]) -> Iterator[str]:
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


def _troubles(allocation: Mapping[str, Any]) -> list[str]:
    """The last telling events of an allocation's tasks, each said once."""
    seen: dict[str, None] = {}
    for task, state in (allocation.get("TaskStates") or {}).items():
        for event in state.get("Events") or []:
            if event["Type"] in TELLING:
                seen[
                    f"allocation {allocation['ID'][:8]}, task '{task}': {event['Type']}: {event['DisplayMessage']}"
                ] = None
    return list(seen)[-MOST_EVENTS:]
