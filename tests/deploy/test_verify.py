"""A cluster is proven whole, or what is wrong with it is named."""

import itertools
from typing import Any

import pytest

from deploy.cluster import ClusterError
from deploy.verify import Proof, verify
from tests.deploy.support.http_server import HttpServer

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
        "Name": name,
        "Status": status,
        "Output": "",
    }


@pytest.fixture
def edge(answers: HttpServer) -> HttpServer:
    """A load balancer behind which both instances are well."""
    turn = itertools.cycle(["aaaa", "bbbb"])
    answers.by_path["/"] = lambda: {
        "service": "frontserve",
        "backserve": {"instance": next(turn), "node": "worker01nyc3"},
    }
    return answers


@pytest.fixture
def cluster(agents: HttpServer, edge: HttpServer, outputs: dict[str, Any]) -> HttpServer:
    """Everything well; a test then spoils one thing."""
    outputs |= {"url": edge.url + "/", "members": MEMBERS}
    agents.by_path |= {
        "/v1/agent/members": [member(name) for name in MEMBERS],
        "/v1/nodes": [node(name) for name in MEMBERS[1:]],
        "/v1/health/state/any": [check("alive"), check("health")],
        "/v1/jobs": [{"ID": "backserve"}],
        "/v1/job/backserve": {"TaskGroups": [{"Count": 2}], "Version": 3},
        "/v1/job/backserve/allocations": [
            {"ClientStatus": "running"},
            {"ClientStatus": "running"},
            {"ClientStatus": "complete"},
        ],
        "/v1/job/backserve/deployment": {
            "Status": "successful",
            "StatusDescription": "Deployment completed successfully",
        },
    }
    return agents


Outputs = dict[str, Any]


def look(outputs: Outputs) -> dict[str, Proof]:
    return {proof.subject: proof for proof in verify(outputs, patience=0)}


def wrong(outputs: Outputs) -> dict[str, str]:
    return {subject: proof.seen for subject, proof in look(outputs).items() if not proof.ok}


@pytest.mark.usefixtures("cluster")
def test_a_whole_cluster_is_proven(outputs: Outputs) -> None:
    found = look(outputs)
    assert all(proof.ok for proof in found.values())
    assert "backserve by aaaa on worker01nyc3, bbbb on worker01nyc3" in found["url"].seen
    assert found["nomad jobs"].seen == "backserve v3 2/2"


def test_a_missing_member_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/agent/members"] = [
        member("prime01nyc3"),
        member("worker01nyc3"),
        member("worker02nyc3", status=4),
    ]
    assert wrong(outputs) == {"consul members": "2 alive; missing: worker02nyc3"}


def test_a_node_that_is_not_ready_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/nodes"] = [
        node("worker01nyc3"),
        node("worker02nyc3", status="initializing"),
    ]
    assert wrong(outputs) == {"nomad nodes": "worker02nyc3 is initializing, eligible"}


def test_a_worker_that_nomad_does_not_know_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/nodes"] = [node("worker01nyc3"), node("worker02nyc3", status="down")]
    assert wrong(outputs) == {"nomad nodes": "worker02nyc3 is missing"}


def test_a_failed_deployment_is_told_with_its_reason(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/job/backserve/deployment"] = {
        "Status": "failed",
        "StatusDescription": "Failed due to unhealthy allocations",
    }
    assert wrong(outputs) == {
        "nomad jobs": "backserve v3 2/2, deployment failed: Failed due to unhealthy allocations"
    }


def test_a_critical_check_is_named(cluster: HttpServer, outputs: Outputs) -> None:
    cluster.by_path["/v1/health/state/any"] = [check("alive"), check("health", "critical")]
    assert wrong(outputs) == {"consul checks": "backserve: health is critical"}


@pytest.mark.parametrize(
    ("gone", "told"), [("worker02nyc3", ["consul checks"]), ("worker03nyc3", [])]
)
def test_a_machine_that_is_no_longer_wanted_may_have_failed(
    cluster: HttpServer, outputs: Outputs, gone: str, told: list[str]
) -> None:
    serf = {
        "Node": gone,
        "ServiceName": "",
        "Name": "Serf Health Status",
        "Status": "critical",
        "Output": "",
    }
    own = serf | {"Name": "disk, memory and agents", "Status": "warning"}
    cluster.by_path["/v1/health/state/any"] = [check("alive"), serf, own]
    assert list(wrong(outputs)) == told


@pytest.mark.usefixtures("cluster")
def test_one_instance_is_not_both(edge: HttpServer, outputs: Outputs) -> None:
    edge.by_path["/"] = {"service": "frontserve", "backserve": {"instance": "aaaa"}}
    assert "1 of 2 backserve instances answered" in wrong(outputs)["url"]


def test_a_consul_that_is_away_is_told_not_raised(cluster: HttpServer, outputs: Outputs) -> None:
    del cluster.by_path["/v1/agent/members"]
    assert "404" in wrong(outputs)["consul members"]


def test_what_turns_right_in_time_is_right(cluster: HttpServer, outputs: Outputs) -> None:
    asked = itertools.count()
    cluster.by_path["/v1/health/state/any"] = lambda: [
        check("alive", "passing" if next(asked) else "critical")
    ]
    assert all(proof.ok for proof in verify(outputs, patience=30))


def test_a_stack_without_addresses_is_not_up() -> None:
    with pytest.raises(ClusterError, match="not up"):
        verify({"url": "http://198.51.100.7/"}, patience=0)
