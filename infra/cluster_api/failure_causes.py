"""Why Nomad could not place an instance, or why an instance failed, in its own records."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_UNHEALTHY_CHECK = re.compile(r"check .* unhealthy")
_CHECKSUM = re.compile(
    r"Checksums did not match.*?Expected: *([0-9a-f]+).*?Got: *([0-9a-f]+)", re.DOTALL
)
_FAILURE_EVENTS = ("Driver Failure", "Setup Failure", "Failed Validation", "Template Failed")


def placement_causes(metric: Mapping[str, Any]) -> Iterator[str]:
    """Yield why no node takes an instance, from the metric of a failed placement."""
    nodes = metric.get("NodesEvaluated") or 0
    if not nodes:
        yield "no node is ready"
    for constraint, count in sorted((metric.get("ConstraintFiltered") or {}).items()):
        yield f"constraint {constraint} filtered {count} of {nodes} nodes"
    for dimension, count in sorted((metric.get("DimensionExhausted") or {}).items()):
        yield f"{dimension} exhausted on {count} of {nodes} nodes"


def allocation_causes(allocation: Mapping[str, Any]) -> list[str]:
    """Return the most specific causes in the events of an allocation's tasks."""
    events = [
        event
        for state in (allocation.get("TaskStates") or {}).values()
        for event in state.get("Events") or []
    ]
    for cause_in in (
        _failed_check,
        _failed_artifact,
        _failed_task_setup,
        _failed_exit,
        _unhealthy_mark,
    ):
        if causes := dict.fromkeys(cause for event in events if (cause := cause_in(event))):
            return list(causes)
    return []


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
