"""Bootstrap: policies and tokens, the rotation of keys and tokens, and the cluster's identity."""

from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest

from infra import mtls
from infra.cluster.bootstrap import Bootstrap, BootstrapProvider
from infra.cluster_api import client, members
from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.consul_acl import DNS_POLICY, NOMAD_SERVER_POLICY, policy_rules
from infra.cluster_api.members import Member
from infra.cluster_api.nomad import Nomad
from infra.mtls import Credentials
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import run, start


def prime(name: str, number: int) -> Member:
    """Return a prime whose public address is the servers' of this test."""
    return {**member(name, number), "public": "127.0.0.1"}


PRIMES = [prime("prime01nyc3", 2), prime("prime02nyc3", 1)]
MANAGEMENT = {"consul": "consul-manager", "nomad": "nomad-manager"}


def tokens(name: str) -> dict[str, str]:
    return {"name": name, "agent": f"{name}-agent", "nomad": f"{name}-nomad"}


TOKENS = [tokens(prime["name"]) for prime in PRIMES]
ISSUED = {"dns-1", *(pair[kind] for pair in TOKENS for kind in ("agent", "nomad"))}


@pytest.fixture
def there() -> Agents:
    return Agents()


@pytest.fixture
def props(
    there: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    monkeypatch.setattr(members, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    with serving(
        there, tmp_path, consul_token="consul-manager", nomad_token="nomad-manager"
    ) as access:
        Consul(access).bootstrap_acl()
        Nomad(access).bootstrap_acl()
        monkeypatch.setattr(mtls, "CONSUL_HTTPS_PORT", urlsplit(access["consul"][0]).port)
        monkeypatch.setattr(mtls, "NOMAD_HTTPS_PORT", urlsplit(access["nomad"][0]).port)
        yield {
            "cluster": "the-cluster",
            "primes": PRIMES,
            "credentials": {part: access[part] for part in ("authority", "certificate", "key")},
            "management": MANAGEMENT,
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
    outs = BootstrapProvider().update("the-cluster", olds, {**olds, "timeout": 10, **changes}).outs
    assert outs is not None
    return outs


def test_id_is_the_identity_of_the_cluster(props: dict[str, Any]) -> None:
    assert BootstrapProvider().create(props).id == "the-cluster"


def test_access_has_the_management_tokens_and_all_servers(made: dict[str, Any]) -> None:
    access = made["access"]
    assert (access["consul_token"], access["nomad_token"]) == ("consul-manager", "nomad-manager")
    assert len(access["consul"]) == len(access["nomad"]) == len(PRIMES)
    assert made["retired"] == []


def test_leaders_are_waited_for_after_a_change(made: dict[str, Any], there: Agents) -> None:
    there.leaders = False
    Timer(0.2, setattr, (there, "leaders", True)).start()
    update(made, dns="dns-2")
    assert there.leaders and "dns-2" in there.secrets("consul")


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


def test_repeated_creation_reuses_policies_and_tokens(
    props: dict[str, Any], made: dict[str, Any], there: Agents
) -> None:
    before = there.secrets("consul")
    assert BootstrapProvider().create(props).outs == made
    assert there.secrets("consul") == before


def test_changed_tokens_are_created_and_old_ones_retired(
    made: dict[str, Any], there: Agents
) -> None:
    later = update(
        made,
        dns="dns-2",
        tokens=[{**TOKENS[0], "agent": "new-agent"}, TOKENS[1]],
    )
    assert there.secrets("consul") == {"consul-manager", *ISSUED, "dns-2", "new-agent"}
    assert later["retired"] == sorted([accessor_id("dns-1"), accessor_id("prime01nyc3-agent")])


def test_new_prime_gets_tokens_and_an_older_one_keeps_its_tokens_until_it_leaves(
    made: dict[str, Any], there: Agents
) -> None:
    later = update(
        made,
        tokens=[TOKENS[0], tokens("prime02nyc3-2")],
        primes=[PRIMES[0], prime("prime02nyc3-2", 5)],
    )
    assert there.secrets("consul") > {
        "prime02nyc3-2-agent",
        "prime02nyc3-2-nomad",
        "prime02nyc3-agent",
        "prime02nyc3-nomad",
    }
    assert later["retired"] == []


def test_requests_go_to_the_server_that_answers(made: dict[str, Any], there: Agents) -> None:
    """The first prime in the list may be the one that is lost."""
    lost = {**prime("prime00nyc3", 9), "public": "127.0.0.9"}
    later = update(made, primes=[lost, *PRIMES], dns="dns-2")
    assert "dns-2" in there.secrets("consul")
    assert [url.partition(":")[2].rpartition(":")[0] for url in later["access"]["nomad"]] == [
        "//127.0.0.9",
        "//127.0.0.1",
        "//127.0.0.1",
    ]


def test_existing_retired_tokens_stay_retired(made: dict[str, Any], there: Agents) -> None:
    second = update(made, dns="dns-2")
    third = update(second, dns="dns-3")
    assert third["retired"] == sorted([accessor_id("dns-2"), accessor_id("dns-1")])
    del there.tokens["consul"][accessor_id("dns-1")]
    assert update(third, dns="dns-4")["retired"] == sorted(
        [accessor_id("dns-3"), accessor_id("dns-2")]
    )


def test_redeclared_token_is_not_retired(made: dict[str, Any]) -> None:
    assert update(update(made, dns="dns-2"), dns="dns-1")["retired"] == [accessor_id("dns-2")]


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
        ({"management": UNKNOWN}, (True, False)),
        ({"primes": [*PRIMES, member("prime03nyc3", 8)]}, (True, False)),
        ({"primes": [member("prime01nyc3-2", 8), member("prime02nyc3-2", 9)]}, (True, False)),
        ({"primes": UNKNOWN}, (True, False)),
        ({"tokens": UNKNOWN}, (True, False)),
        ({"cluster": "another-cluster"}, (True, True)),
    ],
)
def test_bootstrap_is_replaced_only_with_the_cluster(
    made: dict[str, Any], changes: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    found = BootstrapProvider().diff(
        "the-cluster",
        {**made, "__provider": "old"},
        {**made, "timeout": 10, "__provider": "new", **changes},
    )
    assert (found.changes, bool(found.replaces)) == expected


def test_secret_inputs_and_access_are_declared_secret() -> None:
    cloud = start()

    def program() -> pulumi.Output[Any]:
        return Bootstrap(
            "bootstrap",
            cluster="the-cluster",
            primes=PRIMES,
            credentials=Credentials(authority="", certificate="", key=""),
            management=MANAGEMENT,
            gossip={"consul": "old", "nomad": "old"},
            dns="dns-1",
            tokens=TOKENS,
            services=["backserve"],
            datacenter="nyc3",
            timeout=5,
        ).access

    run(program)
    assert cloud.secret["bootstrap"] == {
        "credentials",
        "management",
        "gossip",
        "dns",
        "tokens",
    }
    assert list(cloud.requests["bootstrap"].additionalSecretOutputs) == ["access"]
