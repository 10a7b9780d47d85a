"""Nomad and Consul as providers: how they are reached, and what hangs on them."""

import socket
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_nomad as nomad
import pytest

from infra import mtls
from infra.cluster.bootstrap import Bootstrap
from infra.cluster.cluster import Cluster
from infra.cluster.management_tokens import ManagementTokens
from infra.cluster.providers import create_providers
from infra.cluster.roster import Roster
from infra.cluster_api.members import Member
from infra.mtls import Credentials
from tests.infra.support.cloud import FakeCloud, run, start

SHOWN = Credentials(authority="the authority", certificate="a certificate", key="a key")
PRIME = Member(
    name="prime01nyc3",
    droplet="1",
    created="2026-01-01T00:00:00Z",
    address="10.10.0.2",
    public="198.18.0.2",
)


@pytest.fixture
def cloud() -> FakeCloud:
    """With a job in Nomad."""
    cloud = start()
    run(program)
    return cloud


def program(primes: Sequence[Member] = (PRIME,)) -> pulumi.Output[Any]:
    roster = Roster("roster", servers=list(primes), network="the-network")
    management = ManagementTokens(
        "management",
        cluster=roster.id,
        primes=list(primes),
        credentials=SHOWN,
        secrets={"consul": "consul's manager", "nomad": "nomad's manager"},
        timeout=5,
    )
    bootstrap = Bootstrap(
        "begun",
        cluster=roster.id,
        primes=list(primes),
        credentials=SHOWN,
        management={"consul": "consul's manager", "nomad": "nomad's manager"},
        gossip={},
        dns="",
        tokens=[],
        services=[],
        datacenter="nyc3",
        timeout=5,
    )
    cluster = Cluster(
        roster=roster,
        management=management,
        bootstrap=bootstrap,
        primes=pulumi.Output.from_input(list(primes)),
        memberships=[],
        snapshot_key=pulumi.Output.from_input("key"),
        timeout_s=5,
    )
    ready = cluster.wait_until_ready("ready", pulumi.Output.from_input([]), [])
    providers = create_providers(
        "cluster", cluster, ready, "nyc3", pulumi.Output.secret(SHOWN), ["203.0.113.9"]
    )
    assert providers.consul.providers
    return nomad.Job("job", jobspec="{}", opts=providers.nomad).id


def test_providers_use_mutual_tls(cloud: FakeCloud) -> None:
    in_nomad, in_consul = cloud.created["cluster-nomad"], cloud.created["cluster-consul"]
    assert in_nomad["address"] == "https://198.18.0.2:4646"
    assert (in_consul["address"], in_consul["scheme"], in_consul["datacenter"]) == (
        "198.18.0.2:8501",
        "https",
        "nyc3",
    )
    for provider in (in_nomad, in_consul):
        assert (provider["caPem"], provider["certPem"], provider["keyPem"]) == (
            "the authority",
            "a certificate",
            "a key",
        )
    assert (in_nomad["secretId"], in_consul["token"]) == ("nomad's manager", "consul's manager")


def test_keys_and_tokens_are_secret_and_addresses_are_not(cloud: FakeCloud) -> None:
    for name in ("cluster-nomad", "cluster-consul"):
        assert {"keyPem", "secretId" if "nomad" in name else "token"} <= cloud.secret[name]
        assert "address" not in cloud.secret[name]


def test_resources_are_replaced_and_deleted_with_the_cluster(cloud: FakeCloud) -> None:
    for name in ("cluster-nomad", "cluster-consul", "job"):
        assert cloud.requests[name].replacement_trigger.string_value == "roster-id"
    job = cloud.requests["job"]
    assert job.deletedWith.split("::")[-1] == "cluster-nomad" == job.provider.split("::")[-2]


def test_only_the_nomad_provider_waits_for_the_workers(cloud: FakeCloud) -> None:
    assert "ready" in cloud.waits_for("cluster-nomad")
    assert "begun" in cloud.waits_for("cluster-consul") and "ready" not in cloud.waits_for(
        "cluster-consul"
    )


def test_providers_use_the_first_server_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for name in ("CONSUL_HTTPS_PORT", "NOMAD_HTTPS_PORT"):
            monkeypatch.setattr(mtls, name, port)
        lost = Member(**{**PRIME, "name": "prime00nyc3", "public": "127.0.0.9"})
        cloud = start()
        run(lambda: program([lost, {**PRIME, "public": "127.0.0.1"}]))
    assert cloud.created["cluster-nomad"]["address"] == f"https://127.0.0.1:{port}"
    assert cloud.created["cluster-consul"]["address"] == f"127.0.0.1:{port}"


def test_preview_knows_an_address_when_the_servers_are_replaced() -> None:
    """With an unknown one, the engine would predict an update of every job."""
    cloud = start(preview=True)
    run(program)
    assert cloud.created["cluster-nomad"]["address"] == "https://203.0.113.9:4646"
    assert cloud.created["cluster-consul"]["address"] == "203.0.113.9:8501"
