"""An update looks at the declared jobs, retries those that are short, and fails while one is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_nomad as nomad
import pytest
from pulumi.output import UNKNOWN as UNKNOWN_OBJECT
from pulumi.runtime.rpc import UNKNOWN

from infra.mtls import Access
from jobs import job_health
from jobs.deploy_services import collect_jobs
from jobs.job_health import JobHealth, JobHealthProvider, NotHealthyError
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer
from tests.infra.support.nomad_jobs import FULL, add_job, instance
from tests.jobs.support.fake_cluster import FakeCluster, run

SPECIFICATION = {"ID": "web", "Namespace": "default"}
WEB = {
    "id": "web",
    "namespace": "default",
    "type": "service",
    "specification": json.dumps({"Job": SPECIFICATION}),
}
HCL = {"id": "hcl", "namespace": "default", "type": "service", "specification": ""}
PLAN, JOB = "/v1/job/web/plan", "/v1/job/web"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEALTH_TIMEOUT_S", "PLACEMENT_TIMEOUT_S", "POLL_INTERVAL_S"):
        monkeypatch.setattr(job_health, name, 0.01)


@pytest.fixture
def agents(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    serving = HttpServer(authority.server(tmp_path))
    serving.by_path["/v1/job/web/evaluate"] = {}
    serving.by_path[PLAN] = {"Diff": {"Type": "None"}}
    yield serving
    serving.close()


@pytest.fixture
def access(agents: HttpServer, authority: CertificateAuthority) -> Access:
    return Access(
        consul=[agents.url],
        nomad=[agents.url],
        **authority.credentials(),
        consul_token="c",
        nomad_token="n",
    )


def create(access: Access) -> Any:
    return JobHealthProvider().create({"jobs": [WEB], "access": access}).outs


def has_changes(access: Any, jobs: Any = None) -> bool | None:
    news = {"jobs": jobs or [WEB], "access": access}
    return JobHealthProvider().diff("jobs", {"jobs": [WEB]}, news).changes


def test_healthy_jobs_need_no_update(agents: HttpServer, access: Access) -> None:
    add_job(agents.by_path, "web", instance("01"), instance("02"))
    assert create(access) == {"jobs": [WEB]}, "the state has no credentials"
    assert not has_changes(access)


def test_a_short_job_is_a_change_although_its_specification_is_the_same(
    agents: HttpServer, access: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    add_job(agents.by_path, "web", instance("01"))
    assert has_changes(access)
    assert "job web: 1 of 2 instances are healthy" in capsys.readouterr().out


def test_a_job_that_was_changed_by_hand_is_a_change(
    agents: HttpServer, access: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    """``nomad job scale`` keeps the source of the job, so the provider sees no change."""
    add_job(agents.by_path, "web", instance("01"), count=1)
    agents.by_path[PLAN] = {"Diff": {"Type": "Edited"}}
    assert has_changes(access)
    assert "job web: Nomad has another specification" in capsys.readouterr().out


def test_an_update_registers_a_job_that_was_changed_or_deleted_by_hand(
    agents: HttpServer, access: Access
) -> None:
    agents.by_path[PLAN] = {"Diff": {"Type": "Added"}}

    def register() -> dict[str, Any]:
        add_job(agents.by_path, "web", instance("01"), instance("02"))
        return {}

    agents.by_path[JOB] = register
    create(access)
    assert agents.requests[JOB]["X-Nomad-Token"] == "n"


def test_only_nomad_can_compare_a_job_in_hcl(agents: HttpServer, access: Access) -> None:
    """Its health is judged, and its specification is left to the provider."""
    add_job(agents.by_path, "web", instance("01"), instance("02"))
    add_job(agents.by_path, "hcl", instance("01"), instance("02"))
    JobHealthProvider().create({"jobs": [WEB, HCL], "access": access})
    assert "/v1/job/hcl/plan" not in agents.requests


def test_jobs_that_nobody_can_see_are_a_change(
    agents: HttpServer, access: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    """A preview goes on, and the update itself finds out."""
    agents.by_path["/v1/jobs"] = 500
    assert has_changes(access)
    assert "the health of the jobs is unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    "access",
    [
        UNKNOWN,
        UNKNOWN_OBJECT,
        {"nomad": ["https://127.0.0.1:1"], "key": UNKNOWN},
        {"nomad": UNKNOWN_OBJECT, "key": "key"},
    ],
    ids=["text", "object", "text-in-it", "object-in-it"],
)
def test_a_preview_with_new_credentials_asks_nobody(access: Any) -> None:
    assert not has_changes(access)
    assert has_changes(access, jobs=UNKNOWN)


def test_an_update_fails_with_the_reason_while_a_job_cannot_be_placed(
    agents: HttpServer, access: Access
) -> None:
    """Its deployment, which waits for a node, is no reason to wait."""
    deployment = {"Status": "running", "StatusDescription": "Deployment is running"}
    add_job(agents.by_path, "web", unplaced={"group": FULL}, count=1, deployment=deployment)
    with pytest.raises(NotHealthyError) as raised:
        create(access)
    assert str(raised.value) == (
        "job web: 0 of 1 instances are healthy: no room for group group: "
        "constraint missing drivers filtered 4 of 4 nodes; "
        "deployment running: Deployment is running"
    )


def test_an_update_fails_if_no_server_answers(agents: HttpServer, access: Access) -> None:
    agents.by_path["/v1/jobs"] = 500
    with pytest.raises(NotHealthyError, match=r"the health of the jobs is unknown: .* 500"):
        create(access)


@pytest.mark.parametrize(
    ("deployment", "path"),
    [
        ({}, "/v1/job/web/evaluate"),
        ({"Status": "failed", "StatusDescription": "deadline"}, "/v1/job/web/scale"),
    ],
)
def test_an_update_retries_a_short_job_and_waits_for_it(
    agents: HttpServer,
    access: Access,
    deployment: Any,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nomad replaces no instance of a failed deployment, so the job gets another version."""
    monkeypatch.setattr(job_health, "HEALTH_TIMEOUT_S", 30.0)
    add_job(agents.by_path, "web", instance("01"), deployment=deployment)

    def recover() -> dict[str, Any]:
        agents.by_path["/v1/job/web/allocations"].append(instance("02"))
        agents.by_path["/v1/job/web/deployment"] = {}
        return {}

    agents.by_path[path] = recover
    create(access)
    assert agents.requests[path]["X-Nomad-Token"] == "n"


def test_a_batch_job_that_failed_is_not_started_again(agents: HttpServer, access: Access) -> None:
    add_job(agents.by_path, "web", instance("01", "failed"), Type="batch", count=1)
    with pytest.raises(NotHealthyError):
        create(access)
    assert "/v1/job/web/evaluate" not in agents.requests


def test_every_job_of_the_program_is_declared(cluster: FakeCluster) -> None:
    """Also one of the user, in which the program knows nothing but the resource."""

    def program() -> pulumi.Output[Any]:
        jobs = collect_jobs()
        nomad.Job("raw", jobspec="{}", json=True)
        nomad.Namespace("other")
        component = pulumi.ComponentResource("test:index:Component", "component")
        nomad.Job("child", jobspec="{}", opts=pulumi.ResourceOptions(parent=component))
        access = Access(
            consul=[],
            nomad=[],
            authority="",
            certificate="",
            key="",
            consul_token="",
            nomad_token="",
        )
        return JobHealth("jobs", jobs=jobs, access=access).id

    run(program)
    assert [(job["id"], job["specification"]) for job in cluster.created["jobs"]["jobs"]] == [
        ("raw-id", "{}"),
        ("child-id", ""),
    ]
