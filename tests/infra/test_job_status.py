"""Each job is judged by its own type, and what it lacks is named with Nomad's reason."""

from typing import Any

import pytest

from infra.cluster_api.job_status import DeclaredJob, JobStatus, read_jobs, select_declared
from tests.infra.support.nomad_jobs import FULL, Responses, add_job, check, instance

NO_ROOM = "no room for group group: constraint missing drivers filtered 4 of 4 nodes"
EXIT = {"Type": "Terminated", "DisplayMessage": "", "Details": {"exit_code": "3"}}
BATCH: dict[str, Any] = {"Type": "batch", "count": 1}


@pytest.fixture
def responses() -> Responses:
    return {"/v1/health/state/any": []}


def statuses(responses: Responses) -> list[JobStatus]:
    def get(path: str) -> Any:
        return responses["/v1/" + path.partition("?")[0]]

    return read_jobs(get, get)


def status(responses: Responses) -> JobStatus:
    [found] = statuses(responses)
    return found


def test_a_service_with_all_instances_is_healthy(responses: Responses) -> None:
    add_job(responses, "web", instance("02"), instance("01"), instance("03", "complete"))
    responses["/v1/job/web/allocations"][2]["DesiredStatus"] = "stop"
    job = status(responses)
    assert job.is_healthy
    assert (job.declared, job.healthy, job.nodes) == (2, 2, ("worker01nyc3", "worker02nyc3"))


@pytest.mark.parametrize(
    ("instances", "options", "shortage"),
    [
        ([], {"unplaced": {"group": FULL}}, f"0 of 2 instances are healthy: {NO_ROOM}"),
        (
            [instance("01")],
            {"unplaced": {"another": FULL}},
            "1 of 2 instances are healthy: no instance has started",
        ),
        (
            [instance("01"), instance("02", "pending")],
            {},
            "1 of 2 instances are healthy: an instance is pending on worker02nyc3",
        ),
        (
            [instance("01"), instance("02", "failed", events=[EXIT])],
            {},
            "1 of 2 instances are healthy: "
            "an instance is failed on worker02nyc3 (exited with code 3)",
        ),
        (
            [instance("01"), instance("02", "failed", events=[EXIT], DesiredStatus="stop")],
            {},
            "1 of 2 instances are healthy: exited with code 3",
        ),
        (
            [instance("01"), instance("02")],
            {"deployment": {"Status": "failed", "StatusDescription": "Failed due to progress"}},
            "2 of 2 instances are healthy: deployment failed: Failed due to progress",
        ),
        ([], {"Stop": True}, "it is stopped"),
    ],
)
def test_a_short_service_says_what_is_missing(
    responses: Responses, instances: list[Any], options: dict[str, Any], shortage: str
) -> None:
    add_job(responses, "web", *instances, **options)
    assert status(responses).shortage == shortage


@pytest.mark.parametrize(
    ("checks", "problem"),
    [
        ([check("01"), check("02", "critical")], "check health is critical on worker02nyc3"),
        ([check("01"), check("02", "warning")], ""),
        ([check("01")], "an instance is not registered in Consul on worker02nyc3"),
        (
            [
                check("01"),
                check("02"),
                check(
                    "",
                    "critical",
                    Node="worker02nyc3",
                    ServiceID="",
                    CheckID="serfHealth",
                ),
            ],
            "the Consul agent on worker02nyc3 is away",
        ),
    ],
)
def test_an_instance_with_checks_is_healthy_only_in_consul(
    responses: Responses, checks: list[Any], problem: str
) -> None:
    add_job(responses, "web", instance("01"), instance("02"), has_checks=True)
    responses["/v1/health/state/any"] = checks
    assert status(responses).problem == problem


@pytest.mark.parametrize(
    ("instances", "options", "problem"),
    [
        ([instance("01", "complete")], {"Status": "dead"}, ""),
        ([instance("01")], {}, ""),
        ([], {"Status": "dead"}, ""),
        ([], {"Status": "pending", "unplaced": {"group": FULL}}, NO_ROOM),
        (
            [instance("01", "failed", events=[EXIT])],
            {"Status": "dead"},
            "an instance is failed on worker01nyc3 (exited with code 3)",
        ),
        (
            [instance("01", "complete", JobVersion=2), instance("02", "failed", events=[EXIT])],
            {},
            "an instance is failed on worker02nyc3 (exited with code 3)",
        ),
    ],
)
def test_a_batch_job_is_healthy_when_it_runs_or_has_completed(
    responses: Responses, instances: list[Any], options: dict[str, Any], problem: str
) -> None:
    add_job(responses, "import", *instances, **BATCH, **options)
    assert status(responses).problem == problem


def test_a_system_job_is_declared_for_each_node_that_fits(responses: Responses) -> None:
    add_job(responses, "agent", instance("01"), instance("02"), Type="system", count=1)
    assert (status(responses).declared, status(responses).problem) == (2, "")


def test_a_system_job_that_no_node_runs_is_a_problem(responses: Responses) -> None:
    add_job(responses, "agent", Type="system", count=1, queued=2, unplaced={"group": FULL})
    assert status(responses).shortage == f"0 of 2 instances are healthy: {NO_ROOM}"


def add_run(responses: Responses, number: int, allocation: Any, **options: Any) -> None:
    add_job(
        responses,
        f"nightly/periodic-{number}",
        allocation,
        ParentID="nightly",
        SubmitTime=number,
        **BATCH,
        **options,
    )


def test_a_periodic_job_is_healthy_without_an_instance(responses: Responses) -> None:
    add_job(responses, "nightly", Type="batch", Periodic=True, SubmitTime=100)
    job = status(responses)
    assert (job.type, job.declared, job.problem) == ("periodic", 0, "")


def test_a_periodic_job_is_judged_by_its_last_run(responses: Responses) -> None:
    add_job(responses, "nightly", Type="batch", Periodic=True, SubmitTime=100)
    add_run(responses, 110, instance("01", "failed", events=[EXIT]))
    add_run(responses, 120, instance("01", "complete"))
    assert status(responses).is_healthy
    add_run(responses, 130, instance("01", "failed", events=[EXIT]))
    assert status(responses).problem == (
        "its last run nightly/periodic-130: "
        "an instance is failed on worker01nyc3 (exited with code 3)"
    )


def test_a_run_of_an_older_version_is_no_problem_of_a_periodic_job(responses: Responses) -> None:
    add_job(responses, "nightly", Type="batch", Periodic=True, SubmitTime=100)
    add_run(responses, 90, instance("01", "failed", events=[EXIT]))
    assert status(responses).is_healthy


def test_a_parameterized_job_is_healthy_without_a_run(responses: Responses) -> None:
    add_job(responses, "resize", Type="batch", ParameterizedJob=True)
    assert (status(responses).type, status(responses).problem) == ("parameterized", "")


def test_a_declared_service_that_nomad_lacks_is_a_problem(responses: Responses) -> None:
    add_job(responses, "web", instance("01"), count=1)
    add_job(responses, "by-hand", count=1)
    declared = [
        DeclaredJob(id=name, namespace="default", type=type)
        for name, type in (("web", "service"), ("gone", "service"), ("import", "batch"))
    ]
    selected = select_declared(statuses(responses), declared)
    assert {job.name: job.problem for job in selected} == {
        "web": "",
        "gone": "Nomad has no such job",
        "import": "",
    }
