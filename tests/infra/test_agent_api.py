"""What an agent's refusals mean, and which are worth another try."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from infra.cluster_api import client
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.nomad import Nomad
from infra.cluster_api.raft import RaftGroup
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority
from tests.infra.support.agents_api import Agents, member, serving

MANAGER = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
def access(agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    with serving(agents, tmp_path, consul_token=MANAGER, nomad_token=MANAGER) as found:
        Consul(found).bootstrap_acl()
        Nomad(found).bootstrap_acl()
        yield found


def test_accessor_id_is_a_stable_hash_of_the_secret() -> None:
    assert accessor_id(MANAGER) == accessor_id(MANAGER) != MANAGER


@pytest.mark.parametrize("kind", [Consul, Nomad])
def test_revoking_a_missing_token_succeeds(
    access: Access, agents: Agents, kind: type[Consul] | type[Nomad]
) -> None:
    said = (
        (403, "token does not exist: ACL not found")
        if kind is Consul
        else (400, "Cannot delete nonexistent tokens: x")
    )
    agents.fault = lambda kind, method, path: said if method == "DELETE" else None
    kind(access).revoke_token("x")
    assert not kind(access).has_token("x")


@pytest.mark.parametrize("kind", [Consul, Nomad])
def test_forbidden_revocation_is_an_error(access: Access, kind: type[Consul] | type[Nomad]) -> None:
    with pytest.raises(AgentError, match="403: Permission denied"):
        kind({**access, "consul_token": "", "nomad_token": ""}).revoke_token("x")


def test_has_management_token_checks_the_own_token(access: Access) -> None:
    assert Consul(access).has_management_token() and Nomad(access).has_management_token()
    other = Access(**{**access, "consul_token": "unknown", "nomad_token": "unknown"})
    assert not Consul(other).has_management_token()
    assert not Nomad(other).has_management_token()


def test_ensure_token_sets_exactly_the_declared_rights(access: Access, agents: Agents) -> None:
    for policy in ("former", "present"):
        Consul(access).ensure_token("secret", "Nomad on worker01", policies=[policy])
    assert agents.tokens["consul"][accessor_id("secret")]["Policies"] == [{"Name": "present"}]


def test_policy_is_written_only_if_missing_or_different(access: Access, agents: Agents) -> None:
    consul = Consul(access)
    for rules in ("former", "present", "present"):
        consul.ensure_policy("dns", rules)
    assert agents.policies["dns"]["Rules"] == "present"
    assert [path for _, method, path in agents.requests if method == "PUT"][1:] == [
        "/v1/acl/policy",
        "/v1/acl/policy/dns",
    ]


def test_nomad_creates_one_management_token_for_each_name(access: Access) -> None:
    nomad = Nomad(access)
    assert (
        nomad.ensure_management_token("second")
        == nomad.ensure_management_token("second")
        != MANAGER
    )


def test_clients_that_are_down_are_not_found(access: Access, agents: Agents) -> None:
    agents.nodes = [
        (member("worker01", 3), "ready"),
        (member("worker01", 2), "down"),
        (member("worker02", 4), "ready"),
    ]
    assert [node["ID"] for node in Nomad(access).find_clients("worker01")] == ["3"]


def test_retrier_repeats_after_transient_errors(
    access: Access, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = iter([(500, "No cluster leader"), (500, "No cluster leader"), (429, "slow")])
    agents.fault = lambda kind, method, path: next(faults, None)
    assert Retrier(10).run("asked", Consul(access).has_leader) is True
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2].rpartition(" (")[2] for line in lines] == [
        "500: No cluster leader)",
        "429: slow)",
    ]


def test_retrier_stops_at_a_permanent_error(access: Access, agents: Agents) -> None:
    agents.fault = lambda kind, method, path: (403, "no")
    before = len(agents.requests)
    with pytest.raises(AgentError, match=r"asked: Consul at .* \(403: no\)"):
        Retrier(10).run("asked", Consul(access).has_leader)
    assert len(agents.requests) == before + 1


def test_retrier_stops_at_the_deadline(access: Access, agents: Agents) -> None:
    agents.fault = lambda kind, method, path: (500, "No cluster leader")
    with pytest.raises(AgentError, match="No cluster leader"):
        Retrier(0).run("asked", Consul(access).has_leader)


def test_error_distinguishes_no_response_from_a_wrong_ca(access: Access) -> None:
    with pytest.raises(
        AgentError, match=r"Consul at https://127.0.0.1:9 \(ConnectionError\)"
    ) as silent:
        Consul({**access, "consul": ["https://127.0.0.1:9"]}).has_leader()
    with pytest.raises(AgentError, match="CERTIFICATE_VERIFY_FAILED") as wrong:
        Consul({**access, "authority": CertificateAuthority("stranger").pem}).has_leader()
    assert silent.value.is_transient and wrong.value.is_transient


@pytest.mark.parametrize("kind", ["consul", "nomad"])
def test_request_goes_to_the_next_server_when_one_accepts_no_connection(
    access: Access, agents: Agents, kind: str
) -> None:
    dead = ["https://127.0.0.1:9", "https://127.0.0.1:10"]
    lost: Access = {
        **access,
        "consul": dead + access["consul"],
        "nomad": dead + access["nomad"],
    }
    api: Consul | Nomad = Consul(lost) if kind == "consul" else Nomad(lost)
    assert api.own_accessor_id() in agents.tokens[kind]


def test_later_requests_start_with_the_server_that_answered(access: Access) -> None:
    consul = Consul({**access, "consul": ["https://127.0.0.1:9", *access["consul"]]})
    assert consul.location == "Consul at https://127.0.0.1:9"
    consul.has_leader()
    assert consul.location == f"Consul at {access['consul'][0]}"


def test_error_names_every_server_that_accepts_no_connection(access: Access) -> None:
    urls = ["https://127.0.0.1:9", "https://127.0.0.1:10"]
    with pytest.raises(AgentError) as error:
        Consul({**access, "consul": urls}).has_leader()
    assert all(f"Consul at {url} (ConnectionError)" in str(error.value) for url in urls)
    assert error.value.is_transient
    with pytest.raises(AgentError, match="Consul has no known server"):
        Consul({**access, "consul": []}).has_leader()


@pytest.mark.parametrize(
    ("method", "message", "requests"),
    [
        ("GET", "No cluster leader", 2),
        ("PUT", "No cluster leader", 2),
        ("GET", "rpc error", 2),
        # A server may have done what it was sent before it failed.
        ("PUT", "rpc error", 1),
    ],
)
def test_failed_request_is_sent_to_another_server_if_it_changed_nothing(
    access: Access, agents: Agents, method: str, message: str, requests: int
) -> None:
    agents.fault = lambda kind, method, path: (500, message)
    before = len(agents.requests)
    with pytest.raises(AgentError, match=message) as error:
        Consul({**access, "consul": access["consul"] * 2}).request(method, "/v1/kv/key")
    assert error.value.status == 500
    assert len(agents.requests) == before + requests


def test_server_without_a_leader_is_asked_last(access: Access, agents: Agents) -> None:
    """A server that is cut off from the others answers, but knows no leader."""
    faults = [(500, "No cluster leader")]
    agents.fault = lambda kind, method, path: faults.pop() if faults else None
    consul = Consul({**access, "consul": [*access["consul"], "https://127.0.0.1:9"] * 2})
    assert consul.own_accessor_id() in agents.tokens["consul"]


@pytest.mark.parametrize(("method", "requests"), [("POST", 1), ("GET", 2)])
def test_only_a_get_without_a_response_in_time_is_sent_to_another_server(
    access: Access, agents: Agents, method: str, requests: int
) -> None:
    """The server may have done what it was sent."""
    has_ended = Event()
    agents.fault = lambda kind, method, path: (200, {}) if has_ended.wait(5) else None
    before = len(agents.requests)
    nomad = Nomad({**access, "nomad": access["nomad"] * 2}, (1.0, 0.2))
    with pytest.raises(AgentError, match="ReadTimeout") as error:
        nomad.request(method, "/v1/acl/token")
    assert error.value.is_transient
    has_ended.set()
    assert len(agents.requests) == before + requests


@pytest.mark.parametrize(("method", "requests"), [("POST", 1), ("GET", 2)])
def test_only_a_get_whose_connection_breaks_is_sent_to_another_server(
    access: Access, agents: Agents, method: str, requests: int
) -> None:
    """The server may have done what it was sent."""

    def break_off(kind: str, method: str, path: str) -> None:
        raise ConnectionError

    agents.fault = break_off
    before = len(agents.requests)
    with pytest.raises(AgentError, match="ConnectionError") as error:
        Nomad({**access, "nomad": access["nomad"] * 2}).request(method, "/v1/acl/token")
    assert error.value.is_transient
    assert len(agents.requests) == before + requests


def test_other_clients_become_ineligible(access: Access, agents: Agents) -> None:
    agents.nodes = [
        (member("worker01nyc3-2", 3), "ready"),
        (member("worker01nyc3", 2), "ready"),
        (member("worker02nyc3", 4), "down"),
        (member("worker03nyc3", 5), "initializing"),
        (member("worker04nyc3", 6), "ready"),
    ]
    agents.ineligible = ["6"]
    Nomad(access).set_others_ineligible(["worker01nyc3-2"])
    assert agents.ineligible == ["6", "2", "5"]
    assert sum("eligibility" in path for _, _, path in agents.requests) == 2


def test_purge_removes_all_clients_of_a_name(access: Access, agents: Agents) -> None:
    agents.nodes = [
        (member("worker01nyc3", 2), "ready"),
        (member("worker01nyc3", 3), "down"),
        (member("worker01nyc3-2", 4), "ready"),
    ]
    Nomad(access).purge_clients("worker01nyc3")
    assert [node["name"] for node, _ in agents.nodes] == ["worker01nyc3-2"]


@pytest.mark.parametrize("kind", [Consul, Nomad])
def test_removal_of_an_unknown_member_succeeds(
    access: Access, agents: Agents, kind: type[Consul] | type[Nomad]
) -> None:
    kind(access).force_leave("prime09nyc3")
    agents.fault = lambda kind, method, path: (500, "No cluster leader")
    with pytest.raises(AgentError, match="No cluster leader"):
        kind(access).force_leave("prime09nyc3")


@pytest.mark.parametrize("kind", [Consul, Nomad])
def test_raft_group_is_read(
    access: Access, agents: Agents, kind: type[Consul] | type[Nomad]
) -> None:
    servers = [member("prime01nyc3", 1), member("prime02nyc3", 2), member("prime03nyc3", 3)]
    agents.add_all(servers, [])
    group = RaftGroup(kind(access))
    name = group.kind.lower()
    agents.unhealthy, agents.non_voters = {(name, "10.10.0.2")}, {(name, "10.10.0.3")}
    assert [(peer.name, peer.address, peer.is_leader, peer.is_voter) for peer in group.peers()] == [
        ("prime01nyc3", "10.10.0.1", True, True),
        ("prime02nyc3", "10.10.0.2", False, True),
        ("prime03nyc3", "10.10.0.3", False, False),
    ]
    # Autopilot answers 429 while a server is unhealthy.
    assert group.healthy_voters() == {"10.10.0.1"}
    third = group.peers()[2]
    group.remove(third)
    group.remove(third)
    assert [peer["name"] for peer in agents.peers[name]] == ["prime01nyc3", "prime02nyc3"]
