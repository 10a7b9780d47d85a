"""Bootstrap: the ACL bootstrap, the rotation of keys and tokens, and the cluster's identity."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest

from infra.cluster import bootstrap
from infra.cluster.bootstrap import Bootstrap, BootstrapError, BootstrapProvider
from infra.cluster_api import client, members
from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import accessor_id
from infra.cluster_api.consul_acl import DNS_POLICY, NOMAD_SERVER_POLICY, policy_rules
from infra.cluster_api.members import NotReadyError
from infra.mtls import Credentials
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import run, start

PRIMES = [member("prime01nyc3", 2), member("prime02nyc3", 1)]
SECRETS = {"consul": "consul-manager-1", "nomad": "nomad-manager-1"}
TOKENS = {
    prime["name"]: {"agent": f"{prime['name']}-agent", "nomad": f"{prime['name']}-nomad"}
    for prime in PRIMES
}
ISSUED = {"dns-1", *(secret for pair in TOKENS.values() for secret in pair.values())}


@pytest.fixture
def there() -> Agents:
    return Agents()


@pytest.fixture
def props(
    there: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    monkeypatch.setattr(members, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    with serving(there, tmp_path) as access:
        monkeypatch.setattr(bootstrap, "CONSUL_HTTPS_PORT", urlsplit(access["consul"]).port)
        monkeypatch.setattr(bootstrap, "NOMAD_HTTPS_PORT", urlsplit(access["nomad"]).port)
        yield {
            "primes": PRIMES,
            "address": "127.0.0.1",
            "credentials": {part: access[part] for part in ("authority", "certificate", "key")},
            "secrets": SECRETS,
            "gossip": {"consul": "old", "nomad": "old"},
            "dns": "dns-1",
            "tokens": TOKENS,
            "services": ["backserve"],
            "datacenter": "nyc3",
            "timeout": 10,
        }


@pytest.fixture
def made(props: dict[str, Any]) -> dict[str, Any]:
    outs = BootstrapProvider().create(props).outs
    assert outs is not None
    return outs


def update(olds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    outs = BootstrapProvider().update("1-2", olds, {**olds, "timeout": 10, **changes}).outs
    assert outs is not None
    return outs


def test_id_contains_the_droplet_ids_of_the_primes(props: dict[str, Any]) -> None:
    assert BootstrapProvider().create(props).id == "1-2"


def test_declared_secrets_become_management_tokens(made: dict[str, Any], there: Agents) -> None:
    assert (made["access"]["consul_token"], made["access"]["nomad_token"]) == (
        "consul-manager-1",
        "nomad-manager-1",
    )
    assert there.secrets("nomad") == {"nomad-manager-1"}
    assert there.secrets("consul") == {"consul-manager-1", *ISSUED}
    assert made["retired"] == {"consul": [], "nomad": []}


def test_every_token_has_what_it_needs_and_no_more(made: dict[str, Any], there: Agents) -> None:
    def rights(secret: str) -> tuple[list[str], list[str]]:
        token = there.tokens["consul"][accessor_id(secret)]
        return [policy["Name"] for policy in token["Policies"]], [
            node["NodeName"] for node in token["NodeIdentities"]
        ]

    assert rights("prime02nyc3-agent") == ([], ["prime02nyc3"])
    assert rights("prime02nyc3-nomad") == ([NOMAD_SERVER_POLICY], [])
    assert rights("dns-1") == ([DNS_POLICY], [])
    assert {name: policy["Rules"] for name, policy in there.policies.items()} == policy_rules(
        ["backserve"]
    )


def test_leaders_are_waited_for(
    props: dict[str, Any], there: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    there.leaders = False

    def elect_at_second_poll(_kind: str, _method: str, path: str) -> None:
        # Each poll requests the leader of Consul and of Nomad.
        there.leaders = there.count_requests("/v1/status/leader") > 2

    there.fault = elect_at_second_poll
    BootstrapProvider().create(props)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("waiting for a Consul leader, a Nomad leader")
    assert lines[-1].endswith("there are leaders")


def test_waiting_for_leaders_ends(props: dict[str, Any], there: Agents) -> None:
    there.leaders = False
    with pytest.raises(NotReadyError, match="lacks a Consul leader, a Nomad leader"):
        BootstrapProvider().create({**props, "timeout": 0})
    assert there.tokens == {"consul": {}, "nomad": {}}


def test_an_agent_that_is_not_ready_yet_is_asked_again(
    props: dict[str, Any], there: Agents
) -> None:
    faults = {"consul": [(500, "No cluster leader")] * 2, "nomad": [(500, "not ready")] * 2}
    there.fault = lambda kind, method, path: (
        faults[kind].pop() if "leader" not in path and faults[kind] else None
    )
    BootstrapProvider().create(props)
    assert there.secrets("consul") == {"consul-manager-1", *ISSUED}


def test_lost_response_of_the_bootstrap_is_harmless(props: dict[str, Any], there: Agents) -> None:
    """The first manager was made, but nobody heard of it."""
    lost = ["consul", "nomad"]

    def fault(kind: str, method: str, path: str) -> tuple[int, str] | None:
        if path == "/v1/acl/bootstrap" and kind in lost:
            lost.remove(kind)
            there.answer(kind, method, path, "", {"BootstrapSecret": SECRETS[kind]})
            return 502, "gone"
        return None

    there.fault = fault
    BootstrapProvider().create(props)
    assert there.secrets("nomad") == {"nomad-manager-1"}


def test_repeated_creation_reuses_policies_and_tokens(
    props: dict[str, Any], made: dict[str, Any], there: Agents
) -> None:
    before = there.secrets("consul")
    assert BootstrapProvider().create(props).outs == made
    assert there.secrets("consul") == before


@pytest.mark.parametrize(
    ("kind", "file"),
    [("consul", "/var/lib/consul/acl-bootstrap-reset"), ("nomad", "/server/acl-bootstrap-reset")],
)
def test_foreign_bootstrap_error_names_the_reset_file(
    props: dict[str, Any], made: dict[str, Any], kind: str, file: str
) -> None:
    with pytest.raises(
        BootstrapError, match=f"{kind.title()} at .*(no longer allowed|already done).*{file}"
    ) as error:
        BootstrapProvider().create({**props, "secrets": {**SECRETS, kind: "another-manager"}})
    assert "another-manager" not in str(error.value)


def test_changed_tokens_are_created_and_old_ones_retired(
    made: dict[str, Any], there: Agents
) -> None:
    later = update(
        made,
        dns="dns-2",
        tokens={**TOKENS, "prime01nyc3": {"agent": "new-agent", "nomad": "prime01nyc3-nomad"}},
    )
    assert there.secrets("consul") == {"consul-manager-1", *ISSUED, "dns-2", "new-agent"}
    assert later["retired"] == {
        "consul": sorted([accessor_id("dns-1"), accessor_id("prime01nyc3-agent")]),
        "nomad": [],
    }


def test_new_prime_gets_tokens_and_removed_prime_loses_them(
    made: dict[str, Any], there: Agents
) -> None:
    tokens = {
        "prime01nyc3": TOKENS["prime01nyc3"],
        "prime03nyc3": {"agent": "third-agent", "nomad": "third-nomad"},
    }
    later = update(made, tokens=tokens, primes=[PRIMES[0], member("prime03nyc3", 5)])
    assert there.secrets("consul") > {"third-agent", "third-nomad"}
    assert set(later["retired"]["consul"]) == {
        accessor_id("prime02nyc3-agent"),
        accessor_id("prime02nyc3-nomad"),
    }


def test_new_management_tokens_are_valid_together_with_the_old(
    made: dict[str, Any], there: Agents
) -> None:
    (first,) = there.tokens["nomad"]
    later = update(made, secrets={"consul": "consul-manager-2", "nomad": "nomad-manager-2"})
    access = later["access"]
    assert access["consul_token"] == "consul-manager-2"
    assert access["nomad_token"] in there.secrets("nomad") - {"nomad-manager-1", "nomad-manager-2"}
    assert {"consul-manager-1", "consul-manager-2"} < there.secrets("consul")
    assert later["retired"]["nomad"] == [first]
    assert [there.tokens["consul"][one]["SecretID"] for one in later["retired"]["consul"]] == [
        "consul-manager-1"
    ]


def test_repeated_rotation_finds_the_same_tokens(made: dict[str, Any], there: Agents) -> None:
    secrets = {"consul": "consul-manager-2", "nomad": "nomad-manager-2"}
    assert update(made, secrets=secrets) == update(made, secrets=secrets)
    assert len(there.tokens["nomad"]) == 2


def test_unchanged_management_tokens_stay(made: dict[str, Any]) -> None:
    second = update(made, secrets={**SECRETS, "nomad": "nomad-manager-2"})
    assert update(second, dns="dns-2")["access"] == second["access"]


def test_unknown_management_token_is_an_error(made: dict[str, Any], there: Agents) -> None:
    there.tokens["nomad"].clear()
    with pytest.raises(
        BootstrapError, match=r"Nomad at .* does not know this stack's management token"
    ):
        update(made, dns="dns-2")


def test_existing_retired_tokens_stay_retired(made: dict[str, Any], there: Agents) -> None:
    second = update(made, dns="dns-2")
    third = update(second, dns="dns-3")
    assert third["retired"]["consul"] == [accessor_id("dns-2"), accessor_id("dns-1")]
    del there.tokens["consul"][accessor_id("dns-1")]
    assert update(third, dns="dns-4")["retired"]["consul"] == [
        accessor_id("dns-3"),
        accessor_id("dns-2"),
    ]


def test_redeclared_token_is_not_retired(made: dict[str, Any]) -> None:
    assert update(update(made, dns="dns-2"), dns="dns-1")["retired"]["consul"] == [
        accessor_id("dns-2")
    ]


def test_new_gossip_key_replaces_all_others(made: dict[str, Any], there: Agents) -> None:
    update(made, gossip={"consul": "new", "nomad": "newer"})
    assert there.keys == {"consul": ["new"], "nomad": ["newer"]}


def test_unchanged_gossip_key_causes_no_request(made: dict[str, Any], there: Agents) -> None:
    update(made, gossip={"consul": "old", "nomad": "new"})
    assert there.count_requests("/v1/operator/keyring") == 0


def test_unconfirmed_key_installation_is_an_error(made: dict[str, Any], there: Agents) -> None:
    there.fault = lambda kind, method, path: (
        (500, "1/2 nodes reported success") if path.endswith("/install") else None
    )
    with pytest.raises(AgentError, match=r"Nomad's gossip key: install: .*1/2 nodes"):
        update(made, gossip={"consul": "old", "nomad": "new"}, timeout=0.1)
    assert there.keys["nomad"] == ["old"]


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, False)),
        ({"timeout": 99}, (False, False)),
        ({"dns": "dns-2"}, (True, False)),
        ({"secrets": UNKNOWN}, (True, False)),
        ({"primes": [*PRIMES, member("prime03nyc3", 8)]}, (True, False)),
        ({"primes": [PRIMES[0], member("prime02nyc3", 9)], "address": "198.18.0.9"}, (True, False)),
        ({"primes": [member("prime01nyc3", 8), member("prime02nyc3", 9)]}, (True, True)),
        ({"primes": UNKNOWN}, (True, True)),
    ],
)
def test_cluster_is_replaced_only_if_all_primes_are_new(
    made: dict[str, Any], changes: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    found = BootstrapProvider().diff(
        "1-2",
        {**made, "__provider": "old"},
        {**made, "timeout": 10, "__provider": "new", **changes},
    )
    assert (found.changes, bool(found.replaces)) == expected


def test_secret_inputs_and_access_are_declared_secret() -> None:
    cloud = start()

    def program() -> pulumi.Output[Any]:
        return Bootstrap(
            "bootstrap",
            primes=PRIMES,
            address="198.18.0.2",
            credentials=Credentials(authority="", certificate="", key=""),
            secrets=SECRETS,
            gossip={"consul": "old", "nomad": "old"},
            dns="dns-1",
            tokens=TOKENS,
            services=["backserve"],
            datacenter="nyc3",
            timeout=5,
        ).access

    run(program)
    assert cloud.secret["bootstrap"] == {"credentials", "secrets", "gossip", "dns", "tokens"}
    assert list(cloud.requests["bootstrap"].additionalSecretOutputs) == ["access"]
