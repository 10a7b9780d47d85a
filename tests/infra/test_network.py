"""Firewalls: who may reach what, by role."""

from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from infra.droplet_template import create_templates
from infra.network import Network
from tests.infra.support.cloud import (
    ENROL_KEY,
    FakeCloud,
    firewalls,
    network_args,
    run,
    settings,
    start,
)

ADMINS, NODES, PRIMES, WORKERS = (
    ["203.0.113.0/24"],
    ["slipway-test-prime", "slipway-test-worker"],
    ["slipway-test-prime"],
    ["slipway-test-worker"],
)


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def create_network() -> pulumi.Output[str]:
    network = Network("network", network_args())
    firewalls(network)
    return network.vpc_id


def inbound(made: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    for rule in made["inboundRules"]:
        yield (
            rule["protocol"],
            rule.get("portRange", ""),
            rule.get("sourceAddresses") or rule["sourceTags"],
        )


def test_each_role_is_open_for_what_it_needs_and_no_more(cloud: FakeCloud) -> None:
    run(create_network)
    walls = {
        made["name"]: (made["tags"], sorted(inbound(made)))
        for made in cloud.of("Firewall").values()
    }
    assert walls == {
        "slipway-test-nodes": (
            NODES,
            [("tcp", "22", ADMINS), ("tcp", "8301", NODES), ("udp", "8301", NODES)],
        ),
        "slipway-test-primes": (
            PRIMES,
            [
                ("tcp", "4646", ADMINS),
                ("tcp", "4647", NODES),
                ("tcp", "4648", PRIMES),
                ("tcp", "8300", NODES),
                ("tcp", "8302", PRIMES),
                ("tcp", "8501", ADMINS),
                ("udp", "4648", PRIMES),
                ("udp", "8302", PRIMES),
            ],
        ),
        "slipway-test-workers": (WORKERS, [("tcp", "20000-32000", WORKERS)]),
    }


def test_every_machine_may_reach_anything(cloud: FakeCloud) -> None:
    run(create_network)
    rules = [
        rule for made in cloud.of("Firewall").values() for rule in made.get("outboundRules", [])
    ]
    assert [rule["protocol"] for rule in rules] == ["tcp", "udp", "icmp"]
    assert all(rule["destinationAddresses"] == ["0.0.0.0/0", "::/0"] for rule in rules)


def test_names_and_tags_are_the_stacks_own(cloud: FakeCloud) -> None:
    run(create_network)
    assert all(
        made["name"].startswith("slipway-test") for made in cloud.created.values() if "name" in made
    )
    assert {made["name"] for made in cloud.of("Tag").values()} == set(NODES)
    assert [made["publicKey"] for made in cloud.of("SshKey").values()] == [ENROL_KEY]


def test_every_machine_is_made_with_the_stacks_key(cloud: FakeCloud) -> None:
    seen: list[object] = []

    def program() -> pulumi.Output[None]:
        network = Network("network", network_args())
        templates = create_templates(settings(), network, firewalls(network), "123")
        keys = [key for template in templates.values() for key in template.ssh_keys]
        return pulumi.Output.all(*keys).apply(seen.extend)

    run(program)
    assert seen == ["aa:bb", "aa:bb"]


def test_new_vpc_is_created_before_the_old_one_is_deleted(cloud: FakeCloud) -> None:
    """Their names differ, because DigitalOcean refuses a name twice."""
    run(create_network)
    request = cloud.requests["network-vpc"]
    assert (request.deleteBeforeReplaceDefined, request.deleteBeforeReplace) == (True, False)
    assert cloud.created["network-vpc"]["name"] == "slipway-test-nyc3-10-10-0-0"
