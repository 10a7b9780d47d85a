"""What an agent's refusals mean, and which are worth another try."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cluster_api import client
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.nomad import Nomad
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


def test_only_nodes_that_are_up_are_drained(access: Access, agents: Agents) -> None:
    agents.nodes = [
        (member("worker01", 3), "ready"),
        (member("worker01", 2), "down"),
        (member("worker02", 4), "ready"),
    ]
    assert Nomad(access).start_drain("worker01", 45) == agents.drained == ["3"]


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
        Consul({**access, "consul": "https://127.0.0.1:9"}).has_leader()
    with pytest.raises(AgentError, match="CERTIFICATE_VERIFY_FAILED") as wrong:
        Consul({**access, "authority": CertificateAuthority("stranger").pem}).has_leader()
    assert silent.value.is_transient and wrong.value.is_transient
