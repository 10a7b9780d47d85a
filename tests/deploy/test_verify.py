"""``verify`` succeeds for a healthy cluster, and otherwise names the problem."""

import itertools
from typing import Any

import pytest

from deploy.cluster import ClusterError
from deploy.verify import CheckResult, check_url, verify
from tests.deploy.support.http_server import HttpServer
from tests.infra.support.nomad_jobs import add_job, instance

MEMBERS = ["prime01nyc3", "worker01nyc3", "worker02nyc3"]


def member(name: str, status: int = 1) -> dict[str, Any]:
    return {
        "Name": name,
        "Addr": "10.10.0.2",
        "Status": status,
        "Tags": {"role": "consul" if name.startswith("prime") else "node"},
    }


def node(name: str, status: str = "ready") -> dict[str, Any]:
    return {
        "Name": name,
        "Address": "10.10.0.3",
        "Status": status,
        "SchedulingEligibility": "eligible",
    }


def check(name: str, status: str = "passing") -> dict[str, Any]:
    return {
        "Node": "worker01nyc3",
        "ServiceName": "backserve",
        "ServiceID": "",
        "CheckID": "",
        "Name": name,
        "Status": status,
        "Output": "",
    }


@pytest.fixture
def edge(http_server: HttpServer) -> HttpServer:
    """A load balancer with two healthy instances."""
    turn = itertools.cycle(["aaaa", "bbbb"])
    http_server.by_path["/"] = lambda: {
        "service": "frontserve",
        "backserve": {"instance": next(turn), "node": "worker01nyc3"},
    }
    return http_server


@pytest.fixture
def cluster(agents: HttpServer, edge: HttpServer, outputs: dict[str, Any]) -> HttpServer:
    """A healthy cluster; each test changes one response."""
    outputs |= {"url": edge.url + "/", "members": MEMBERS}
    agents.by_path |= {
        "/v1/agent/members": [member(name) for name in MEMBERS],
        "/v1/nodes": [node(name) for name in MEMBERS[1:]],
        "/v1/health/state/any": [check("alive"), check("health")],
    }
    add_job(agents.by_path, "backserve", instance("01"), instance("02"))
    return agents


Outputs = dict[str, Any]


def check_once(outputs: Outputs) -> dict[str, CheckResult]:
    return {result.subject: result for result in verify(outputs, timeout_s=0)}


def problems(outputs: Outputs) -> dict[str, str]:
    results = check_once(outputs)
    return {subject: result.detail for subject, result in results.items() if not result.ok}


@pytest.mark.usefixtures("cluster")
def test_a_healthy_cluster_is_verified(outputs: Outputs) -> None:
    results = check_once(outputs)
    assert all(result.ok for result in results.values())
    assert "backserve by aaaa on worker01nyc3, bbbb on worker01nyc3" in results["url"].detail
    assert results["nomad jobs"].detail == "backserve v3 2/2"


def test_a_missing_member_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/agent/members"] = [
        member("prime01nyc3"),
        member("worker01nyc3"),
        member("worker02nyc3", status=4),
    ]
    assert problems(outputs) == {"consul members": "2 alive; missing: worker02nyc3"}


def test_a_node_that_is_not_ready_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/nodes"] = [
        node("worker01nyc3"),
        node("worker02nyc3", status="initializing"),
    ]
    assert problems(outputs) == {"nomad nodes": "worker02nyc3 is initializing, eligible"}


def test_a_worker_without_a_node_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/nodes"] = [node("worker01nyc3"), node("worker02nyc3", status="down")]
    assert problems(outputs) == {"nomad nodes": "worker02nyc3 is missing"}


def test_a_failed_deployment_has_its_reason(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/job/backserve/deployment"] = {
        "Status": "failed",
        "StatusDescription": "Failed due to unhealthy allocations",
    }
    assert problems(outputs) == {
        "nomad jobs": "backserve v3 2/2, deployment failed: Failed due to unhealthy allocations"
    }


def test_jobs_of_other_types_are_judged_by_their_own(cluster: HttpServer, outputs: Outputs) -> None:
    add_job(cluster.by_path, "nightly", Type="batch", Periodic=True)
    add_job(cluster.by_path, "import", instance("01", "complete"), Type="batch", count=1)
    assert problems(outputs) == {}
    assert check_once(outputs)["nomad jobs"].detail == (
        "backserve v3 2/2; import v3 batch 1/1; nightly v3 periodic"
    )


def test_a_stopped_job_is_a_problem_only_if_it_is_a_service(
    cluster: HttpServer, outputs: Outputs
) -> None:
    add_job(cluster.by_path, "removed", Stop=True)
    assert problems(outputs) == {}
    outputs["services"] = {"removed": "removed"}
    assert problems(outputs) == {"nomad jobs": "backserve v3 2/2; removed v3, it is stopped"}


@pytest.mark.usefixtures("cluster")
def test_a_service_without_a_job_is_named(outputs: Outputs) -> None:
    outputs["services"] = {"backserve": "backserve", "frontserve": "frontserve"}
    assert problems(outputs) == {"nomad jobs": "backserve v3 2/2; frontserve is missing"}


def test_a_critical_check_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/health/state/any"] = [check("alive"), check("health", "critical")]
    assert problems(outputs) == {"consul checks": "backserve: health is critical"}


@pytest.mark.parametrize(
    ("deleted", "expected"), [("worker02nyc3", ["consul checks"]), ("worker03nyc3", [])]
)
def test_checks_of_a_deleted_machine_do_not_count(
    cluster: HttpServer, outputs: Outputs, deleted: str, expected: list[str]
) -> None:
    serf = {
        "Node": deleted,
        "ServiceName": "",
        "ServiceID": "",
        "CheckID": "serfHealth",
        "Name": "Serf Health Status",
        "Status": "critical",
        "Output": "",
    }
    node_check = serf | {"Name": "disk, memory and agents", "Status": "warning"}
    cluster.by_path["/v1/health/state/any"] = [check("alive"), serf, node_check]
    assert list(problems(outputs)) == expected


@pytest.mark.usefixtures("cluster")
def test_every_instance_must_answer(edge: HttpServer, outputs: Outputs) -> None:
    edge.by_path["/"] = {"service": "frontserve", "backserve": {"instance": "aaaa"}}
    assert "1 of 2 backserve instances answered" in problems(outputs)["url"]


def test_a_stack_without_backserve_needs_one_good_response(edge: HttpServer) -> None:
    edge.by_path["/"] = b"pong"
    assert check_url(f"{edge.url}/", []) == (True, f"{edge.url}/ answers with 200")
    edge.by_path["/"] = 503
    assert check_url(f"{edge.url}/", []) == (False, f"{edge.url}/ answers with 503")


def test_an_error_of_consul_is_a_problem(cluster: HttpServer, outputs: Outputs) -> None:
    del cluster.by_path["/v1/agent/members"]
    assert "404" in problems(outputs)["consul members"]


def test_checks_are_repeated_until_they_succeed(cluster: HttpServer, outputs: Outputs) -> None:
    requests = itertools.count()
    cluster.by_path["/v1/health/state/any"] = lambda: [
        check("alive", "passing" if next(requests) else "critical")
    ]
    assert all(result.ok for result in verify(outputs, timeout_s=30))


def test_outputs_without_addresses_are_an_error() -> None:
    with pytest.raises(ClusterError, match="run `up` first"):
        verify({"url": "http://198.51.100.7/"}, timeout_s=0)
