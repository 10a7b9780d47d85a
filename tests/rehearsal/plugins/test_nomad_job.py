"""Jobs of the Nomad emulator: failures are explained and the state matches Nomad."""

from typing import Any

import pytest

from rehearsal.plugins.errors import PartialFailureError, PluginError
from rehearsal.plugins.nomad.package import PACKAGE
from tests.rehearsal.plugins.support.driver import Driver
from tests.rehearsal.plugins.support.service import Call, Reply, Service

JOB = "nomad:index/job:Job"
SPEC = '{"Job": {"ID": "web", "TaskGroups": [{"Name": "g"}]}}'
OLD_SPEC = '{"Job": {"ID": "web"}}'
INPUTS = {"jobspec": SPEC, "json": True, "detach": False}

JOB_RESPONSE: dict[str, Any] = {
    "AllAtOnce": False,
    "Constraints": None,
    "CreateIndex": 1,
    "Datacenters": ["*"],
    "ID": "web",
    "JobModifyIndex": 9,
    "Namespace": "default",
    "ParentID": "",
    "Periodic": None,
    "Priority": 50,
    "Region": "global",
    "Stable": True,
    "Status": "running",
    "StatusDescription": "",
    "Stop": False,
    "SubmitTime": 5,
    "TaskGroups": None,
    "Type": "service",
    "Update": None,
    "Version": 2,
}

EVENTS = [
    {"Type": "Started", "DisplayMessage": "Task started by client"},
    {"Type": "Restart Signaled", "DisplayMessage": 'healthcheck: check "web-health" unhealthy'},
]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.plugins.deadline.POLL_INTERVAL_S", 0.01)


def nomad(deployment: dict[str, Any] | None, evaluation: dict[str, Any] | None = None) -> Service:
    """Return a fake Nomad with the given deployment and evaluation."""

    def answer(call: Call) -> Reply:
        path = call.path.partition("?")[0]
        answers: dict[str, Any] = {
            "/v1/job/web/plan": {"JobModifyIndex": 0},
            "/v1/jobs": {"EvalID": "e1", "JobModifyIndex": 8},
            "/v1/evaluation/e1": {
                "ID": "e1",
                "Status": "complete",
                "DeploymentID": "d1" if deployment else "",
                **(evaluation or {}),
            },
            "/v1/deployment/d1": {"ID": "d1", "StatusDescription": "", **(deployment or {})},
            "/v1/deployment/allocations/d1": [
                {
                    "ID": "0123456789",
                    "DeploymentStatus": None,
                    "TaskStates": {"t": {"Events": EVENTS}},
                }
            ],
            "/v1/job/web": JOB_RESPONSE,
            "/v1/job/web/submission": {"Format": "json", "Source": OLD_SPEC},
        }
        return Reply(body=answers[path]) if path in answers else Reply(404, "no")

    return Service(answer)


def driver(service: Service) -> Driver:
    return Driver(PACKAGE, {"address": service.url})


def test_a_reverted_deployment_fails_and_names_the_check() -> None:
    failed = {
        "Status": "failed",
        "StatusDescription": "Failed due to unhealthy allocations - rolling back to job version 0",
    }
    with nomad(failed) as service, pytest.raises(PartialFailureError) as failure:
        driver(service).create(JOB, INPUTS)
    message = str(failure.value)
    assert "error waiting for job 'web' to schedule/deploy successfully" in message
    assert (
        "deployment 'd1' terminated with status 'failed': "
        "'Failed due to unhealthy allocations - rolling back" in message
    )
    assert (
        "allocation 01234567, task 't': Restart Signaled: healthcheck: "
        'check "web-health" unhealthy' in message
    )
    assert "Task started" not in message


def test_after_a_failed_update_the_state_is_what_nomad_runs() -> None:
    old = {
        "id": "web",
        "name": "web",
        "namespace": "default",
        "jobspec": OLD_SPEC,
        "modifyIndex": "1",
    }
    with nomad({"Status": "failed"}) as service, pytest.raises(PartialFailureError) as failure:
        driver(service).update(JOB, "web", old, INPUTS)
    assert failure.value.resource_id == "web"
    assert (failure.value.state["jobspec"], failure.value.state["version"]) == (OLD_SPEC, 2)


def test_a_timeout_reports_placement_failures() -> None:
    metric = {
        "NodesEvaluated": 0,
        "NodesAvailable": {"nyc3": 0},
        "ConstraintFiltered": {"kernel = linux": 2},
        "CoalescedFailures": 1,
    }
    evaluation = {"FailedTGAllocs": {"g": metric}}
    with nomad(
        {"Status": "running", "StatusDescription": "Deployment is running"}, evaluation
    ) as service:
        plugin = driver(service)
        with pytest.raises(PartialFailureError, match="timeout") as failure:
            plugin.create(JOB, INPUTS, seconds=0.05)
    assert (
        "task group 'g': failed to place 2 allocations: No nodes were eligible for evaluation"
        in str(failure.value)
    )
    assert (
        "No nodes are available in datacenter 'nyc3'; "
        "Constraint 'kernel = linux': 2 nodes excluded by filter" in str(failure.value)
    )


def test_a_detached_job_is_not_monitored() -> None:
    with nomad({"Status": "failed"}) as service:
        job, state = driver(service).create(JOB, {**INPUTS, "detach": True})
        assert not any(
            "/evaluation" in call or "/deployment" in call for call in service.request_lines
        )
    assert (job, state["deploymentId"], state["deploymentStatus"]) == ("web", None, None)


def test_a_job_without_a_deployment_completes_with_its_evaluation() -> None:
    with nomad(None) as service:
        assert driver(service).create(JOB, INPUTS)[1]["deploymentId"] is None


def test_a_failed_evaluation_fails_the_job() -> None:
    with nomad(
        None, {"Status": "failed", "StatusDescription": "maximum attempts reached"}
    ) as service:
        plugin = driver(service)
        with pytest.raises(
            PartialFailureError, match="evaluation failed: maximum attempts reached"
        ):
            plugin.create(JOB, INPUTS)


def test_a_failed_plan_prevents_the_registration() -> None:
    with Service(lambda call: Reply(500, "Task group count can't be negative")) as service:
        plugin = driver(service)
        with pytest.raises(PluginError, match=r"500 .*count can't be negative") as failure:
            plugin.create(JOB, INPUTS)
    assert service.request_lines == ["PUT /v1/job/web/plan?namespace=default"]
    assert not isinstance(failure.value, PartialFailureError)


def test_only_json_jobs_are_supported() -> None:
    with nomad(None) as service:
        plugin = driver(service)
        assert "set json=True" in plugin.check(JOB, {"jobspec": 'job "web" {}'})[1][0]
        assert "error parsing jobspec" in plugin.check(JOB, {"jobspec": "{", "json": True})[1][0]
        assert "needs an ID" in plugin.check(JOB, {"jobspec": "{}", "json": True})[1][0]


def test_a_changed_job_id_replaces() -> None:
    old = {"name": "web", "namespace": "default", "jobspec": SPEC}
    with nomad(None) as service:
        plugin = driver(service)
        renamed = {**INPUTS, "jobspec": '{"ID": "other"}'}
        moved = {**INPUTS, "jobspec": '{"ID": "web", "Namespace": "apart"}'}
        assert plugin.diff(
            JOB, {**old, "name": "old"}, {**INPUTS, "jobspec": OLD_SPEC}
        ).replaces == ["name"]
        assert "PUT /v1/job/other/plan?namespace=default" not in service.request_lines
        for desired in (renamed, moved):
            assert plugin.check(JOB, desired)[1] == []


def test_an_equivalent_jobspec_is_no_change() -> None:
    old = {"name": "web", "namespace": "default", "jobspec": SPEC, "json": True, "detach": False}
    defaults = {"deregisterOnDestroy": True, "deregisterOnIdChange": True}
    spaced = '{ "ID": "web", "Meta": null, "TaskGroups": [ {"Name": "g"} ] }'
    with nomad(None) as service:
        diff = driver(service).diff(JOB, {**old, **defaults}, {**INPUTS, "jobspec": spaced})
    assert (diff.keys, service.calls) == ([], [])
