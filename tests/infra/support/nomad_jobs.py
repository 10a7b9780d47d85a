"""Jobs and their instances as the APIs of Nomad and Consul return them."""

from typing import Any

Responses = dict[str, Any]
"""Path -> JSON."""
FULL = {"NodesEvaluated": 4, "ConstraintFiltered": {"missing drivers": 4}}
"""The metric of a placement for which no node fits."""


def instance(
    name: str, status: str = "running", *, events: list[Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return an allocation on worker NAME."""
    return {
        "ID": f"{name}-0000",
        "TaskGroup": "group",
        "NodeName": f"worker{name}nyc3",
        "ClientStatus": status,
        "DesiredStatus": "run",
        "JobVersion": 3,
        "CreateIndex": 7,
        "TaskStates": {"task": {"Events": events or []}},
        **fields,
    }


def check(allocation: str, status: str = "passing", **fields: Any) -> dict[str, Any]:
    """Return the Consul check of an instance."""
    return {
        "Node": "worker01nyc3",
        "CheckID": "check",
        "ServiceID": f"_nomad-task-{allocation}-0000-group",
        "ServiceName": "backserve",
        "Name": "health",
        "Status": status,
        "Output": "",
        **fields,
    }


def add_job(
    responses: Responses,
    name: str,
    *instances: dict[str, Any],
    count: int = 2,
    deployment: Any = None,
    unplaced: Any = None,
    has_checks: bool = False,
    queued: int = 0,
    **stub: Any,
) -> None:
    """Add a job to the responses; ``stub`` changes its entry in the list of jobs."""
    responses.setdefault("/v1/jobs", []).append(
        {
            "ID": name,
            "ParentID": "",
            "Namespace": "default",
            "Type": "service",
            "Periodic": False,
            "ParameterizedJob": False,
            "Stop": False,
            "Status": "running",
            "SubmitTime": 100,
            "JobSummary": {"Summary": {"group": {"Queued": queued}}},
            **stub,
        }
    )
    services = [{"Name": name, "Provider": "consul", "Checks": [{"Name": "health"}]}]
    group = {
        "Name": "group",
        "Count": count,
        "Services": [],
        "Tasks": [{"Services": services if has_checks else None}],
    }
    evaluation = {"CreateIndex": 9, "Status": "blocked", "FailedTGAllocs": unplaced}
    path = f"/v1/job/{name.replace('/', '%2F')}"
    responses |= {
        path: {"TaskGroups": [group], "Version": 3},
        f"{path}/allocations": list(instances),
        f"{path}/evaluations": [evaluation],
        f"{path}/deployment": deployment or {},
    }
    responses.setdefault("/v1/health/state/any", [])
