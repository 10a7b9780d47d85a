"""Membership: how a worker and a prime leave the cluster, and what keeps them in it."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from infra import mtls, ssh
from infra.cluster import departure, membership, server_departure
from infra.cluster.departure import DepartureError
from infra.cluster.membership import Membership, MembershipProvider
from infra.cluster_api import client
from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.consul_acl import ensure_node_tokens
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access
from tests.infra.support.account_api import TOKEN, AccountApi
from tests.infra.support.account_api import serving as serving_account
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import run, start
from tests.infra.support.ssh_machine import Machine, key_pair

MANAGER = "00000000-0000-0000-0000-000000000001"
TOKENS = {"agent": "agent-1", "nomad": "nomad-1"}
HOST, HOST_PRIVATE = key_pair()
USER, USER_PRIVATE = key_pair()
TAG = "slipway-test-prime"
NETWORK = "the-network"
LEAVING_ADDRESS, OTHER, UNREACHABLE = "127.0.0.1", "127.0.0.2", "127.0.0.9"
"""Public addresses: of the machine that leaves, of the other servers, and of nothing."""

OLD = [member(f"prime{number:02d}nyc3", number) for number in (1, 2, 3)]
NEW = [member(f"prime{number:02d}nyc3-2", number + 10) for number in (1, 2, 3)]
WORKERS = [member("worker01nyc3", 21), member("worker02nyc3", 22), member("worker03nyc3", 23)]

Steps = list[tuple[str, str, str]]


@pytest.fixture
def agents() -> Agents:
    made = Agents()
    made.add_all([*OLD, *NEW], WORKERS)
    made.declared_members = [server["name"] for server in NEW]
    made.node_names = {
        LEAVING_ADDRESS: OLD[0]["name"],
        "127.0.0.3": OLD[1]["name"],
        "127.0.0.4": OLD[2]["name"],
    }
    return made


@pytest.fixture
def access(agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    """Access to a server that is lost."""
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(departure, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(server_departure, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(server_departure, "FOLLOWERS_TIMEOUT_S", 0.1)
    monkeypatch.setattr(departure, "RETRY_S", 0.2)
    monkeypatch.setattr(server_departure, "RETRY_S", 0.2)
    with serving(
        agents,
        tmp_path,
        consul_token=MANAGER,
        nomad_token=MANAGER,
        addresses=[LEAVING_ADDRESS, OTHER, "127.0.0.3", "127.0.0.4"],
    ) as served:
        Consul(served).bootstrap_acl()
        Nomad(served).bootstrap_acl()
        ensure_node_tokens(Consul(served), "a-node", "nyc3", TOKENS, "a-policy")
        monkeypatch.setattr(mtls, "CONSUL_HTTPS_PORT", urlsplit(served["consul"][0]).port)
        monkeypatch.setattr(mtls, "NOMAD_HTTPS_PORT", urlsplit(served["nomad"][0]).port)
        agents.requests.clear()
        agents.addresses.clear()
        yield {**served, "consul": ["https://lost.invalid"], "nomad": ["https://lost.invalid"]}


@pytest.fixture
def machine(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The machine that leaves. What it receives is among the requests to the agents."""

    def command(given: bytes) -> tuple[int, str, str]:
        if given:
            agents.requests.append(("ssh", json.loads(given)["action"], ""))
        return 0, '{"outcome": "left"}\n', ""

    made = Machine(HOST_PRIVATE, USER, command)
    monkeypatch.setattr(ssh, "PORT", made.port)
    monkeypatch.setattr(ssh, "MAX_REJECTION_S", 0.1)
    made.listen()
    yield made
    made.close()


@pytest.fixture
def account() -> Iterator[AccountApi]:
    """An account with the servers of the agents, and with one that is off."""
    with serving_account(AccountApi()) as api:
        api.things["droplets"] = [
            _droplet(1, UNREACHABLE, status="off"),
            _droplet(2, LEAVING_ADDRESS),
            _droplet(3, OTHER),
            _droplet(4, UNREACHABLE, tag="slipway-other-prime"),
        ]
        yield api


def _droplet(number: int, address: str, status: str = "active", tag: str = TAG) -> dict[str, Any]:
    networks = [
        {"type": "private", "ip_address": f"10.10.0.{number}"},
        {"type": "public", "ip_address": address},
    ]
    return {
        "id": number,
        "name": f"prime{number:02d}nyc3",
        "status": status,
        "vpc_uuid": NETWORK,
        "tags": [tag],
        "networks": {"v4": networks},
    }


@pytest.fixture
def provider(account: AccountApi, monkeypatch: pytest.MonkeyPatch) -> MembershipProvider:
    """The provider process of one update."""
    monkeypatch.setattr(membership, "_declared", set())
    monkeypatch.setattr(membership, "_access", [])
    config = {"digitalocean:apiEndpoint": account.url, "digitalocean:token": TOKEN}
    made = MembershipProvider()
    made.configure(ConfigureRequest(Config(config, "slipway")))
    return made


@pytest.fixture
def worker(access: Access) -> dict[str, Any]:
    """The properties of worker01, as the engine passes them: every number is a float."""
    return {
        "name": "worker01nyc3",
        "role": "worker",
        "droplet": "21",
        "address": LEAVING_ADDRESS,
        "private_address": "10.10.0.21",
        "network": NETWORK,
        "prime_tag": TAG,
        "tokens": TOKENS,
        "host_key": HOST,
        "enrol_key": USER_PRIVATE,
        "access": access,
        "drain_deadline": 90.0,
        "max_unavailable": 1.0,
    }


@pytest.fixture
def prime(worker: dict[str, Any]) -> dict[str, Any]:
    """The properties of prime01, which leads."""
    return {
        **worker,
        "name": "prime01nyc3",
        "role": "prime",
        "droplet": "1",
        "private_address": "10.10.0.1",
    }


# The resource.


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, False)),
        ({"droplet": "99"}, (True, True)),
        ({"droplet": UNKNOWN}, (True, True)),
        ({"access": UNKNOWN}, (True, False)),
        ({"drain_deadline": 30.0}, (True, False)),
        ({"address": "127.0.0.8"}, (True, False)),
    ],
)
def test_membership_is_replaced_only_for_another_droplet_and_created_first(
    provider: MembershipProvider,
    worker: dict[str, Any],
    agents: Agents,
    changes: dict[str, Any],
    expected: tuple[bool, bool],
) -> None:
    found = provider.diff(
        "", {**worker, "__provider": "one"}, {**worker, "__provider": "one", **changes}
    )
    assert (found.changes, bool(found.replaces)) == expected
    assert found.delete_before_replace is False
    assert agents.requests == []


def test_creation_and_update_send_nothing(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents
) -> None:
    created = provider.create(worker)
    assert (created.id, created.outs) == ("worker01nyc3", worker)
    assert provider.update("", worker, {**worker, "drain_deadline": 30.0}).outs == {
        **worker,
        "drain_deadline": 30.0,
    }
    assert agents.requests == []


def test_secret_inputs_are_declared_secret(worker: dict[str, Any]) -> None:
    cloud = start()
    inputs = {
        name: value
        for name, value in worker.items()
        if name not in ("name", "role", "drain_deadline", "max_unavailable")
    }

    def program() -> None:
        node: dict[str, pulumi.Input[str]] = {"name": "worker01nyc3", "role": "worker"}
        Membership("member", node=node, drain_deadline=90, max_unavailable=1, **inputs)

    run(program)
    assert cloud.secret["member"] == {"tokens", "enrol_key", "access"}


# A worker.


def test_worker_leaves_in_order(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    agents.allocations = {"21": ["running", "pending", "complete"], "22": ["running"]}
    provider.delete("worker01nyc3", worker)
    kinds = [(kind, method, path.rpartition("/")[2]) for kind, method, path in steps(agents)]
    assert [path for _, _, path in steps(agents)][:2] == [
        "/v1/node/21/eligibility",
        "/v1/node/21/drain",
    ]
    assert kinds[:5] == [
        ("nomad", "POST", "eligibility"),
        ("nomad", "POST", "drain"),
        ("ssh", "leave", ""),
        ("nomad", "PUT", "purge"),
        ("consul", "PUT", "worker01nyc3?prune=1"),
    ]
    assert {(kind, method) for kind, method, _ in kinds[5:]} == {("consul", "DELETE")}
    assert agents.draining == [("21", 90_000_000_000)]
    assert agents.secrets("consul") == {MANAGER}
    assert "worker01nyc3" not in {left["name"] for left, _ in agents.consul}
    assert "21" not in {node["droplet"] for node, _ in agents.nodes}
    assert len(agents.consul) == 8 and len(agents.nodes) == 2


def test_worker_without_allocations_is_not_drained(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    agents.allocations = {"21": ["complete", "failed", "lost"], "22": ["running"]}
    provider.delete("worker01nyc3", worker)
    assert agents.draining == [] and ("ssh", "leave", "") in agents.requests


def test_agents_stop_only_when_all_allocations_have_moved(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    agents.moves_allocations = False
    agents.allocations = {"21": ["running", "running"]}
    counts = iter([["running", "running"], ["running", "complete"], ["complete", "complete"]])

    def move_one(kind: str, method: str, path: str) -> None:
        if path == "/v1/node/21/allocations" and agents.draining:
            agents.allocations["21"] = next(counts)

    agents.fault = move_one
    provider.delete("worker01nyc3", worker)
    stop = agents.requests.index(("ssh", "leave", ""))
    counted = [
        index for index, step in enumerate(agents.requests) if step[2].endswith("/allocations")
    ]
    assert len(counted) == 4 and max(counted) < stop


def test_worker_stays_when_the_drain_deadline_is_exceeded(
    provider: MembershipProvider,
    worker: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departure, "DRAIN_MARGIN_S", 0)
    agents.moves_allocations, agents.allocations = False, {"21": ["running", "complete"]}
    with pytest.raises(
        DepartureError,
        match=r"^worker01nyc3: 1 allocations still run .* of 0 s; .*nomad alloc stop",
    ):
        provider.delete("worker01nyc3", {**worker, "drain_deadline": 0.0})
    assert [path.rpartition("/")[2] for _, _, path in steps(agents)] == ["eligibility", "drain"]
    assert machine.met == 0 and agents.secrets("consul") == {MANAGER, "agent-1", "nomad-1"}
    # The next worker gets its turn, and the next update repeats the departure.
    agents.moves_allocations = True
    provider.delete("worker02nyc3", {**worker, "name": "worker02nyc3", "droplet": "22"})
    provider.delete("worker01nyc3", worker)
    assert [node["name"] for node, _ in agents.nodes] == ["worker03nyc3"]


@pytest.mark.parametrize("max_unavailable", [1, 2])
def test_at_most_max_unavailable_workers_leave_at_the_same_time(
    provider: MembershipProvider,
    worker: dict[str, Any],
    agents: Agents,
    machine: Machine,
    max_unavailable: int,
) -> None:
    """All are ineligible at once, so that no allocation moves to a worker that leaves next."""
    agents.moves_allocations = False
    agents.allocations = {node["droplet"]: ["running"] for node in WORKERS}
    agents.nodes.append((member("worker01nyc3-2", 31), "ready"))
    may_move, drained, leaving = threading.Event(), threading.Event(), list[int]()

    def fault(kind: str, method: str, path: str) -> None:
        if len(agents.ineligible) == len(WORKERS) and len(agents.draining) >= max_unavailable:
            drained.set()
        if may_move.is_set() and path.endswith("/allocations"):
            agents.allocations[path.split("/")[3]] = ["complete"]
        if path.endswith("/purge"):
            leaving.append(sum(node["droplet"] in agents.allocations for node, _ in agents.nodes))

    agents.fault = fault
    with ThreadPoolExecutor() as pool:
        departures = [
            pool.submit(
                provider.delete,
                "",
                {
                    **worker,
                    "name": node["name"],
                    "droplet": node["droplet"],
                    "max_unavailable": float(max_unavailable),
                },
            )
            for node in WORKERS
        ]
        assert drained.wait(20)
        # Another one would start its drain within this time.
        assert not threading.Event().wait(0.3)
        simultaneous = len(agents.draining)
        may_move.set()
        for each in departures:
            each.result(30)
    assert simultaneous == max_unavailable
    assert [node["name"] for node, _ in agents.nodes] == ["worker01nyc3-2"]
    eligibility = [
        index for index, step in enumerate(agents.requests) if step[2].endswith("/eligibility")
    ]
    first_purge = next(
        index for index, step in enumerate(agents.requests) if step[2].endswith("/purge")
    )
    assert len(eligibility) == 3 and max(eligibility) < first_purge


def test_unreachable_worker_is_removed(
    provider: MembershipProvider,
    worker: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(departure, "LEAVE_TIMEOUT_S", 0)
    agents.nodes = [(WORKERS[0], "down")]
    agents.allocations = {"21": ["running"]}
    provider.delete("worker01nyc3", {**worker, "address": UNREACHABLE})
    assert agents.draining == [] and agents.nodes == []
    assert "worker01nyc3" not in {left["name"] for left, _ in agents.consul}
    assert agents.secrets("consul") == {MANAGER}
    assert "worker01nyc3: unreachable" in capsys.readouterr().out


def test_another_machine_at_the_address_receives_nothing(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    provider.delete("worker01nyc3", {**worker, "host_key": key_pair()[0]})
    assert not any(machine.given) and ("ssh", "leave", "") not in agents.requests
    assert [node["name"] for node, _ in agents.nodes] == ["worker02nyc3", "worker03nyc3"]


def test_departure_of_a_worker_that_has_left_is_repeatable(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    provider.delete("worker01nyc3", worker)
    provider.delete("worker01nyc3", worker)
    assert len(agents.nodes) == 2


@pytest.mark.parametrize("role", ["worker", "prime"])
def test_unreachable_cluster_keeps_the_machine(
    provider: MembershipProvider,
    worker: dict[str, Any],
    prime: dict[str, Any],
    account: AccountApi,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
) -> None:
    account.things["droplets"] = [_droplet(1, UNREACHABLE)]
    with pytest.raises(AgentError, match=rf"at https://{UNREACHABLE}:\d+ \(ConnectionError\)"):
        provider.delete("", worker if role == "worker" else prime)
    assert machine.met == 0


def test_cluster_without_active_servers_keeps_the_machine(
    provider: MembershipProvider, worker: dict[str, Any], account: AccountApi, machine: Machine
) -> None:
    account.things["droplets"] = [_droplet(2, LEAVING_ADDRESS, status="off")]
    with pytest.raises(AgentError, match="no known server"):
        provider.delete("", worker)
    assert machine.met == 0


# A prime.


def test_prime_leaves_in_order(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    provider.delete("prime01nyc3", prime)
    assert steps(agents, without=("/v1/acl/",)) == [
        # The newest generation, and of it the last: it does not leave next.
        ("consul", "POST", "/v1/operator/raft/transfer-leader?id=13"),
        ("nomad", "PUT", "/v1/operator/raft/transfer-leadership?id=13"),
        ("consul", "PUT", "/v1/agent/leave"),
        ("nomad", "DELETE", "/v1/operator/raft/peer?id=1"),
        ("ssh", "leave", ""),
        ("consul", "DELETE", "/v1/operator/raft/peer?id=1"),
        ("consul", "PUT", "/v1/agent/force-leave/prime01nyc3?prune=1"),
        ("nomad", "PUT", "/v1/agent/force-leave?node=prime01nyc3.global&prune=true"),
    ]
    for kind in ("consul", "nomad"):
        assert "prime01nyc3" not in {peer["name"] for peer in agents.peers[kind]}
        assert agents.peers[kind][0]["name"] == "prime03nyc3-2"
    assert agents.secrets("consul") == {MANAGER}
    assert agents.requests[-1][:2] == ("consul", "DELETE")


def test_a_prime_is_not_removed_from_nomads_pool_while_the_others_consider_it_alive(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the servers send its address to Nomad's clients for ever."""
    monkeypatch.setattr(server_departure, "FAILURE_TIMEOUT_S", 0.1)
    agents.leaves_pool = False
    provider.delete("prime01nyc3", prime)
    assert not [path for kind, _, path in agents.requests if "force-leave?" in path]
    assert "prime01nyc3" not in {peer["name"] for peer in agents.peers["nomad"]}


def test_only_the_request_to_leave_goes_to_the_server_that_leaves(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    provider.delete("prime01nyc3", prime)
    requests = [request for request in agents.requests if request[0] != "ssh"]
    assert [
        request
        for request, address in zip(requests, agents.addresses, strict=True)
        if address == LEAVING_ADDRESS
    ] == [("consul", "GET", "/v1/agent/self"), ("consul", "PUT", "/v1/agent/leave")]


def test_server_that_does_not_lead_transfers_no_leadership(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    leaving = {**prime, "name": "prime02nyc3", "droplet": "2", "private_address": "10.10.0.2"}
    provider.delete("prime02nyc3", leaving)
    assert not [step for step in steps(agents) if "transfer" in step[2]]
    assert agents.peers["nomad"][0]["name"] == "prime01nyc3"


def test_server_leaves_when_the_new_leader_is_elected(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    """A transfer returns before the other servers know the new leader."""
    transfer = ("nomad", "PUT", "/v1/operator/raft/transfer-leadership?id=13")
    later = iter(range(2))

    def elect(kind: str, method: str, path: str) -> Any:
        if (kind, method, path) == transfer:
            return 200, {}
        is_poll = (
            kind == "nomad" and path.endswith("/configuration") and transfer in agents.requests
        )
        if is_poll and next(later, None) is None:
            others = [peer for peer in agents.peers["nomad"] if peer != NEW[2]]
            agents.peers["nomad"] = [NEW[2], *others]
        return None

    agents.fault = elect
    provider.delete("prime01nyc3", prime)
    leave = agents.requests.index(("consul", "PUT", "/v1/agent/leave"))
    polls = agents.requests[agents.requests.index(transfer) : leave]
    assert polls.count(("nomad", "GET", "/v1/operator/raft/configuration")) == 3


def steps(agents: Agents, without: tuple[str, ...] = ()) -> Steps:
    """Return the requests that change something, in order, and the deliveries over SSH."""
    return [
        step
        for step in agents.requests
        if step[1] != "GET" and not (without and step[2].startswith(without))
    ]


@pytest.mark.parametrize("kind", ["consul", "nomad"])
@pytest.mark.parametrize("defect", ["unhealthy", "non_voters"])
def test_prime_waits_until_the_other_servers_are_healthy_voters(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    kind: str,
    defect: str,
) -> None:
    getattr(agents, defect).add((kind, NEW[0]["address"]))
    polls = iter(range(4))

    def recover(kind_: str, _method: str, path: str) -> None:
        if (kind_, path) == (kind, "/v1/operator/autopilot/health") and next(polls, None) is None:
            getattr(agents, defect).clear()

    agents.fault = recover
    provider.delete("prime01nyc3", prime)
    health = (kind, "GET", "/v1/operator/autopilot/health")
    before = agents.requests[: agents.requests.index(("consul", "PUT", "/v1/agent/leave"))]
    assert before.count(health) == 5


@pytest.mark.parametrize("kind", ["consul", "nomad"])
def test_prime_stays_and_the_error_names_the_unhealthy_server(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(server_departure, "QUORUM_TIMEOUT_S", 0)
    agents.unhealthy = {(kind, OLD[1]["address"])}
    with pytest.raises(DepartureError) as error:
        provider.delete("prime01nyc3", prime)
    assert f"prime01nyc3 stays in {kind.title()}" in str(error.value)
    assert "prime02nyc3" in str(error.value)
    assert not [step for step in steps(agents) if "transfer" not in step[2]]
    assert machine.met == 0 and len(agents.peers[kind]) == 6
    assert agents.secrets("consul") > set(TOKENS.values())


def test_unhealthy_server_may_leave_itself(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    agents.unhealthy = {("consul", "10.10.0.1"), ("nomad", "10.10.0.1")}
    provider.delete("prime01nyc3", prime)
    assert len(agents.peers["consul"]) == len(agents.peers["nomad"]) == 5


def test_last_server_stays(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_departure, "QUORUM_TIMEOUT_S", 0)
    agents.peers = {"consul": [OLD[0]], "nomad": [OLD[0]]}
    with pytest.raises(DepartureError, match="no other server"):
        provider.delete("prime01nyc3", prime)
    assert machine.met == 0


def test_server_with_the_only_data_stays_while_its_replacement_does_not_answer(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    account: AccountApi,
    machine: Machine,
) -> None:
    """As after ``deploy recover``: the old server is the only peer, and a roll is pending."""
    account.things["droplets"] = [_droplet(2, LEAVING_ADDRESS), _droplet(3, UNREACHABLE)]
    agents.peers = {"consul": [OLD[0]], "nomad": [OLD[0]]}
    with pytest.raises(DepartureError, match="prime01nyc3 stays: it alone has the cluster's data"):
        provider.delete("prime01nyc3", prime)
    assert machine.met == 0 and steps(agents) == []


def test_only_servers_of_the_same_network_are_asked(
    provider: MembershipProvider,
    worker: dict[str, Any],
    account: AccountApi,
    agents: Agents,
    machine: Machine,
) -> None:
    """An interrupted move has left another cluster, whose servers have the same tag."""
    elsewhere = {**_droplet(5, LEAVING_ADDRESS), "vpc_uuid": "another"}
    account.things["droplets"] = [elsewhere, _droplet(3, OTHER)]
    provider.delete("worker01nyc3", worker)
    assert set(agents.addresses) == {OTHER} and machine.met == 1


def test_membership_of_an_earlier_version_has_no_network(
    provider: MembershipProvider, worker: dict[str, Any], machine: Machine
) -> None:
    provider.delete("worker01nyc3", {k: v for k, v in worker.items() if k != "network"})
    assert machine.met == 1


def test_servers_leave_one_after_another(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The followers leave first, so the leadership moves once."""
    monkeypatch.setattr(server_departure, "FOLLOWERS_TIMEOUT_S", 30)
    monkeypatch.setattr(departure, "LEAVE_TIMEOUT_S", 0)
    public = {name: address for address, name in agents.node_names.items()}
    with ThreadPoolExecutor() as pool:
        departures = [
            pool.submit(
                provider.delete,
                "",
                {
                    **prime,
                    "name": server["name"],
                    "droplet": server["droplet"],
                    "address": public[server["name"]],
                    "private_address": server["address"],
                    "max_unavailable": 3.0,
                },
            )
            for server in OLD
        ]
        for each in departures:
            each.result(60)
    order = [
        "leave" if path == "/v1/agent/leave" else "removed"
        for kind, method, path in agents.requests
        if path == "/v1/agent/leave" or path.startswith("/v1/agent/force-leave?")
    ]
    assert order == ["leave", "removed"] * 3
    for kind in ("consul", "nomad"):
        assert {peer["name"] for peer in agents.peers[kind]} == {new["name"] for new in NEW}
        # A server of the older generation never gets the leadership.
        assert sum("/transfer" in path for agent, _, path in agents.requests if agent == kind) == 1
    removed = [path for _, _, path in agents.requests if path.startswith("/v1/agent/force-leave/")]
    assert removed[-1] == "/v1/agent/force-leave/prime01nyc3?prune=1"


def test_leadership_goes_to_a_declared_server(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    """After a change from three primes to one, the newest server is not the one that stays."""
    agents.peers = {"consul": list(OLD), "nomad": list(OLD)}
    agents.declared_members = [OLD[1]["name"]]
    removed = iter([OLD[2]])

    def leave(kind: str, method: str, path: str) -> None:
        if path.endswith("/configuration") and (follower := next(removed, None)):
            for peers in agents.peers.values():
                peers.remove(follower)

    agents.fault = leave
    provider.delete("prime01nyc3", prime)
    assert [step[2] for step in steps(agents) if "transfer" in step[2]] == [
        "/v1/operator/raft/transfer-leader?id=2",
        "/v1/operator/raft/transfer-leadership?id=2",
    ]


def test_leader_does_not_wait_long_for_a_follower_that_cannot_leave(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
) -> None:
    provider.delete("prime01nyc3", prime)
    assert {peer["name"] for peer in agents.peers["consul"]} == {
        server["name"] for server in (*OLD[1:], *NEW)
    }


def test_newer_server_at_the_address_stays(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    """The old machine was lost, and another one got its private and public address."""
    newer = member("prime01nyc3-2", 1)
    agents.peers = {"consul": [newer, *OLD[1:]], "nomad": [newer, *OLD[1:]]}
    agents.declared_members = [server["name"] for server in (newer, *OLD[1:])]
    agents.node_names[LEAVING_ADDRESS] = newer["name"]
    provider.delete("prime01nyc3", {**prime, "host_key": key_pair()[0]})
    assert newer in agents.peers["consul"] and newer in agents.peers["nomad"]
    assert ("consul", "PUT", "/v1/agent/leave") not in agents.requests
    assert not any(machine.given)


@pytest.mark.parametrize("role", ["worker", "prime"])
def test_replaced_membership_of_the_same_droplet_changes_nothing(
    provider: MembershipProvider,
    worker: dict[str, Any],
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    role: str,
) -> None:
    """``pulumi up --replace`` of the membership itself."""
    props = worker if role == "worker" else prime
    provider.create(props)
    provider.delete(props["name"], props)
    assert steps(agents) == [] and machine.met == 0


def test_replaced_membership_is_deleted_by_a_later_update(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    """The update that replaced it failed; this one declares the same droplet."""
    provider.check(prime, prime)
    provider.delete("prime01nyc3", prime)
    assert steps(agents) == [] and machine.met == 0


def test_a_refresh_declares_no_machine(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    """It compares the state with itself. The old machine of a replacement must still leave."""
    provider.diff("worker01nyc3", worker, worker)
    provider.delete("worker01nyc3", worker)
    assert steps(agents) != []


def test_departure_uses_the_current_tokens(
    provider: MembershipProvider, worker: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    """A rotation revoked those of the old membership."""
    successor = {**worker, "name": "worker01nyc3-2", "droplet": "31"}
    provider.check(successor, successor)
    revoked = dict.fromkeys(("consul_token", "nomad_token"), "revoked")
    provider.delete("worker01nyc3", {**worker, "access": worker["access"] | revoked})
    assert [node["name"] for node, _ in agents.nodes] == ["worker02nyc3", "worker03nyc3"]


@pytest.mark.parametrize("role", ["worker", "prime"])
def test_departure_outlasts_an_election(
    provider: MembershipProvider,
    worker: dict[str, Any],
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    role: str,
) -> None:
    faults = [(500, "No cluster leader")] * 4

    def elect(kind: str, method: str, path: str) -> Any:
        return faults.pop() if faults and "force-leave" in path else None

    agents.fault = elect
    provider.delete("", worker if role == "worker" else prime)
    assert faults == []


def test_unreachable_prime_is_removed_by_the_others(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(departure, "LEAVE_TIMEOUT_S", 0)
    agents.unhealthy = {("consul", "10.10.0.1"), ("nomad", "10.10.0.1")}
    provider.delete("prime01nyc3", {**prime, "address": UNREACHABLE})
    for kind in ("consul", "nomad"):
        assert "prime01nyc3" not in {peer["name"] for peer in agents.peers[kind]}
    assert "prime01nyc3" not in {left["name"] for left, _ in agents.consul}
    assert agents.secrets("consul") == {MANAGER}
    output = capsys.readouterr().out
    assert "it is removed by the other servers" in output and "unreachable" in output


@pytest.mark.parametrize(
    "path",
    [
        "/v1/operator/raft/transfer-leadership?id=13",
        "/v1/operator/raft/peer?id=1",
        "/v1/agent/force-leave/prime01nyc3?prune=1",
        "/v1/agent/force-leave?node=prime01nyc3.global&prune=true",
        "/v1/acl/token/",
    ],
)
def test_interrupted_departure_is_completed_by_the_next(
    provider: MembershipProvider,
    prime: dict[str, Any],
    agents: Agents,
    machine: Machine,
    path: str,
) -> None:
    agents.fault = lambda kind, method, requested: (
        (500, "interrupted") if method != "GET" and requested.startswith(path) else None
    )
    with pytest.raises(AgentError, match="interrupted"):
        provider.delete("prime01nyc3", prime)
    agents.fault = lambda kind, method, requested: None
    provider.delete("prime01nyc3", prime)
    for kind in ("consul", "nomad"):
        assert {peer["name"] for peer in agents.peers[kind]} == {
            server["name"] for server in (*OLD[1:], *NEW)
        }
    assert agents.secrets("consul") == {MANAGER}


def test_departure_of_a_prime_that_has_left_is_repeatable(
    provider: MembershipProvider, prime: dict[str, Any], agents: Agents, machine: Machine
) -> None:
    provider.delete("prime01nyc3", prime)
    agents.requests.clear()
    provider.delete("prime01nyc3", prime)
    assert not [step for step in steps(agents) if "raft" in step[2]]
