"""Firewalls: the ruleset as text, and packets between namespaces."""

import asyncio
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from rehearsal.network import firewalls
from rehearsal.network.bridges import METADATA_ADDRESS
from rehearsal.subprocesses import CommandError
from rehearsal.topology.protocol import (
    DropletFirewall,
    FirewallRule,
    ForwardingRule,
    HealthCheck,
    LoadBalancer,
    MachineSpec,
    NetworkState,
)
from tests.rehearsal.support.small_cloud import BALANCER_PRIVATE, VPC, SmallCloud, run, small_cloud

Enforce = Callable[[list[DropletFirewall], list[LoadBalancer]], None]
ANYWHERE = [IPv4Network("0.0.0.0/0")]
EVERYTHING = [
    FirewallRule(protocol=protocol, ports="all", peers=ANYWHERE)
    for protocol in ("tcp", "udp", "icmp")
]
SERVER = """
import socketserver
handler = socketserver.BaseRequestHandler
socketserver.ThreadingTCPServer(('0.0.0.0', {port}), handler).serve_forever()
"""


def guarded(
    droplet: MachineSpec, inbound: list[FirewallRule], outbound: list[FirewallRule] = EVERYTHING
) -> DropletFirewall:
    addresses = [droplet.public.address, droplet.private.address]
    return DropletFirewall(
        droplet_id=droplet.id, addresses=addresses, inbound=inbound, outbound=outbound
    )


def tcp(ports: str, *peers: IPv4Address | IPv4Network) -> FirewallRule:
    return FirewallRule(protocol="tcp", ports=ports, peers=[IPv4Network(peer) for peer in peers])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    state: Path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE", str(state))
        with small_cloud(state) as cloud:
            for droplet in cloud.droplets:
                for port in (80, 22, 9000):
                    cloud.start(cloud.place(droplet), "python3", "-c", SERVER.format(port=port))
            for port in (53, 80, 5000):
                cloud.start(cloud.config.netns, "python3", "-c", SERVER.format(port=port))
            cloud.start(cloud.place(None), "python3", "-c", SERVER.format(port=22))
            for droplet in cloud.droplets:
                for port in (80, 22, 9000):
                    cloud.wait_listening(cloud.place(droplet), port)
            for port in (53, 80, 5000):
                cloud.wait_listening(cloud.config.netns, port)
            cloud.wait_listening(cloud.place(None), 22)
            yield cloud


@pytest.fixture
def enforce(cloud: SmallCloud) -> Enforce:
    """Load a network state with these firewalls, in place of the former test's."""

    def load(firewalled: list[DropletFirewall], balancers: list[LoadBalancer]) -> None:
        network_state = NetworkState(
            droplets=cloud.droplets,
            networks=[VPC],
            droplet_firewalls=firewalled,
            load_balancers=balancers,
        )
        asyncio.run(firewalls.apply(cloud.config, network_state))

    load([], [])
    return load


def test_droplets_with_the_same_rules_share_a_chain(cloud: SmallCloud) -> None:
    rules = [tcp("80", IPv4Network("0.0.0.0/0"))]
    text = firewalls.render(
        cloud.config,
        NetworkState(droplet_firewalls=[guarded(droplet, rules) for droplet in cloud.droplets]),
    )
    assert text.count("chain in_") == 1
    assert text.count("chain out_") == 1
    assert text.count(": jump in_") == 6


def test_overlapping_peers_are_merged(cloud: SmallCloud) -> None:
    rules = [tcp("80", IPv4Network("10.10.0.0/20"), IPv4Address("10.10.0.5"))]
    text = firewalls.render(
        cloud.config, NetworkState(droplet_firewalls=[guarded(cloud.droplets[0], rules)])
    )
    assert "ip saddr { 10.10.0.0/20 } tcp dport 80 return" in text


def test_a_rule_without_peers_allows_nothing(cloud: SmallCloud) -> None:
    text = firewalls.render(
        cloud.config, NetworkState(droplet_firewalls=[guarded(cloud.droplets[0], [tcp("80")])])
    )
    assert "dport 80 return" not in text


def test_a_droplet_without_a_firewall_is_open(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, _ = cloud.droplets
    for address in (two.public.address, two.private.address):
        assert cloud.connects(cloud.place(one), address, 22)
    assert cloud.connects(cloud.place(None), two.public.address, 22)


def test_only_allowed_traffic_passes(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, three = cloud.droplets
    inside = [one.private.address, one.public.address]
    enforce([guarded(two, [tcp("80", *inside), tcp("8999-9001", *inside)])], [])
    for address in (two.public.address, two.private.address):
        assert cloud.connects(cloud.place(one), address, 80)
        assert cloud.connects(cloud.place(one), address, 9000)
        assert not cloud.connects(cloud.place(one), address, 22)
        assert not cloud.connects(cloud.place(three), address, 80)
    assert not cloud.connects(cloud.place(None), two.public.address, 80)


def test_the_host_is_an_outside_client(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, _ = cloud.droplets
    enforce([guarded(two, [tcp("22", cloud.config.host_address)])], [])
    assert cloud.connects(cloud.place(None), two.public.address, 22)
    assert not cloud.connects(cloud.place(None), two.public.address, 80)
    assert not cloud.connects(cloud.place(one), two.public.address, 22)


def test_outbound_needs_a_rule_but_replies_pass(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, _ = cloud.droplets
    enforce(
        [
            guarded(
                two,
                [tcp("80", IPv4Network("0.0.0.0/0"))],
                outbound=[tcp("9000", one.private.address)],
            )
        ],
        [],
    )
    assert cloud.connects(cloud.place(one), two.private.address, 80)
    assert cloud.connects(cloud.place(two), one.private.address, 9000)
    assert not cloud.connects(cloud.place(two), one.private.address, 80)
    assert not cloud.connects(cloud.place(two), cloud.config.spaces_address, 80)


def test_no_firewall_blocks_metadata_and_dns(cloud: SmallCloud, enforce: Enforce) -> None:
    two = cloud.droplets[1]
    enforce([guarded(two, [], outbound=[])], [])
    assert cloud.connects(cloud.place(two), METADATA_ADDRESS, 80)
    assert cloud.connects(cloud.place(two), cloud.config.gateway, 53)


def test_ping_needs_a_rule(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, three = cloud.droplets
    icmp = FirewallRule(protocol="icmp", ports="0", peers=[IPv4Network(one.private.address)])
    enforce([guarded(two, [icmp])], [])
    assert cloud.pings(cloud.place(one), two.private.address)
    assert not cloud.pings(cloud.place(three), two.private.address)


def test_the_namespace_serves_its_own_ports_only(cloud: SmallCloud, enforce: Enforce) -> None:
    for place in (cloud.place(cloud.droplets[0]), cloud.place(None)):
        assert cloud.connects(place, cloud.config.spaces_address, 80)
        assert cloud.connects(place, cloud.config.releases_address, 80)
        assert not cloud.connects(place, cloud.config.gateway, 5000)
        assert not cloud.connects(place, cloud.balancer_public, 5000)


def test_a_load_balancer_needs_a_rule_to_reach_its_target(
    cloud: SmallCloud, enforce: Enforce
) -> None:
    one, two, _ = cloud.droplets
    health = HealthCheck(
        protocol="tcp",
        port=9000,
        path="/",
        interval_s=3,
        timeout_s=5,
        unhealthy_threshold=3,
        healthy_threshold=5,
    )
    balancer = LoadBalancer(
        id="b",
        public=cloud.balancer_public,
        private=BALANCER_PRIVATE,
        vpc_id=VPC.id,
        algorithm="round_robin",
        forwarding_rules=[
            ForwardingRule(
                entry_protocol="tcp", entry_port=5000, target_protocol="tcp", target_port=9000
            )
        ],
        health_check=health,
        sticky_cookie=None,
        sticky_seconds=0,
        redirect_http_to_https=False,
        proxy_protocol=False,
        keepalive=False,
        idle_seconds=60,
        targets=[two.private.address],
    )
    enforce([guarded(two, [tcp("9000", BALANCER_PRIVATE)])], [balancer])
    assert cloud.connects(cloud.place(None), cloud.balancer_public, 5000)
    assert cloud.connects(cloud.config.netns, two.private.address, 9000, BALANCER_PRIVATE)
    assert not cloud.connects(cloud.config.netns, two.private.address, 80, BALANCER_PRIVATE)
    assert not cloud.connects(cloud.config.netns, two.private.address, 9000, VPC.gateway)
    assert not cloud.connects(cloud.place(one), two.private.address, 9000)


def test_a_droplet_cannot_connect_to_the_host(cloud: SmallCloud, enforce: Enforce) -> None:
    assert not cloud.connects(cloud.place(cloud.droplets[0]), cloud.config.host_address, 22)


def test_a_droplet_cannot_spoof_its_source_address(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, _ = cloud.droplets
    place, spoofed = cloud.place(one), VPC.range[200]
    run("ip", "-n", place, "address", "add", f"{spoofed}/{VPC.range.prefixlen}", "dev", "eth1")
    try:
        assert not cloud.connects(place, two.private.address, 80, spoofed)
        assert cloud.connects(place, two.private.address, 80, one.private.address)
    finally:
        run("ip", "-n", place, "address", "del", f"{spoofed}/{VPC.range.prefixlen}", "dev", "eth1")


def test_an_invalid_ruleset_keeps_the_former_one(cloud: SmallCloud, enforce: Enforce) -> None:
    one, two, _ = cloud.droplets
    enforce([guarded(two, [tcp("80", IPv4Network("0.0.0.0/0"))])], [])
    with pytest.raises(CommandError, match="nft"):
        enforce([guarded(two, [tcp("no-such-port", IPv4Network("0.0.0.0/0"))])], [])
    assert cloud.connects(cloud.place(one), two.private.address, 80)
    assert not cloud.connects(cloud.place(one), two.private.address, 22)
