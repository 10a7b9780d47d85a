"""The network state that the API applies: all names resolved, before the response."""

from collections.abc import Iterator

import pytest

from rehearsal.config import CloudConfig
from rehearsal.topology.protocol import FirewallRule
from tests.rehearsal.support.client import UNLIMITED, Client, running
from tests.rehearsal.support.machines import WatchedMachines


@pytest.fixture
def machines(config: CloudConfig) -> WatchedMachines:
    return WatchedMachines(config)


@pytest.fixture
def api(config: CloudConfig, machines: WatchedMachines) -> Iterator[Client]:
    with running(config, machines, UNLIMITED) as client:
        yield client


def _allow(api: Client, **sources: object) -> dict[str, object]:
    rule = {"protocol": "tcp", "ports": "4646", "sources": sources}
    return {"name": "fw", "inbound_rules": [rule], "tags": ["worker"]}


def test_the_network_is_applied_before_a_machine_boots(
    api: Client, machines: WatchedMachines
) -> None:
    api.droplet(user_data="#cloud-config")
    assert machines.events == ["applied one", "created one"]
    [spec] = machines.network_state.droplets
    assert (spec.image, spec.memory_mb, spec.vcpus, spec.user_data) == (
        "debian-12-x64",
        1024,
        1,
        "#cloud-config",
    )
    assert spec.public.mac != spec.private.mac
    assert all(int(mac[:2], 16) & 0b11 == 0b10 for mac in (spec.public.mac, spec.private.mac))
    [network] = machines.network_state.networks
    assert (spec.private.network, spec.private.gateway) == (network.range, network.gateway)


def test_firewalls_follow_tags_droplets_and_balancers(
    api: Client, machines: WatchedMachines
) -> None:
    api("POST", "/v2/tags", {"name": "worker"}, 201)
    api("POST", "/v2/tags", {"name": "prime"}, 201)
    edge = {"name": "edge", "region": "nyc3", "tag": "worker"}
    rule = {
        "entry_protocol": "http",
        "entry_port": 80,
        "target_protocol": "http",
        "target_port": 8085,
    }
    balancer = api("POST", "/v2/load_balancers", edge | {"forwarding_rules": [rule]}, 202)[
        "load_balancer"
    ]
    sources = {
        "addresses": ["192.0.2.1", "::/0"],
        "tags": ["prime"],
        "load_balancer_uids": [balancer["id"]],
    }
    api("POST", "/v2/firewalls", _allow(api, **sources), 202)
    assert machines.network_state.droplet_firewalls == []
    prime, worker = api.droplet("prime", tags=["prime"]), api.droplet("worker", tags=["worker"])
    [walled] = machines.network_state.droplet_firewalls
    assert (walled.droplet_id, walled.outbound) == (worker["id"], [])
    [inbound] = walled.inbound
    spec = next(spec for spec in machines.network_state.droplets if spec.id == prime["id"])
    edge_now = machines.network_state.load_balancers[0]
    addresses = [spec.public.address, spec.private.address, edge_now.public, edge_now.private]
    assert [str(peer) for peer in inbound.peers] == [
        "192.0.2.1/32",
        *(f"{address}/32" for address in addresses),
    ]
    assert edge_now.targets == [
        next(
            spec.private.address
            for spec in machines.network_state.droplets
            if spec.id == worker["id"]
        )
    ]
    api("DELETE", f"/v2/droplets/{prime['id']}", expect=204)
    assert len(machines.network_state.droplet_firewalls[0].inbound[0].peers) == 3
    api("DELETE", f"/v2/droplets/{worker['id']}", expect=204)
    assert (
        machines.network_state.droplet_firewalls,
        machines.network_state.load_balancers[0].targets,
    ) == (
        [],
        [],
    )


def test_a_change_is_applied_before_the_response(api: Client, machines: WatchedMachines) -> None:
    droplet = api.droplet(tags=["worker"])
    firewall = api("POST", "/v2/firewalls", _allow(api, addresses=["192.0.2.0/24"]), 202)[
        "firewall"
    ]
    assert machines.network_state.droplet_firewalls[0].droplet_id == droplet["id"]
    path = f"/v2/firewalls/{firewall['id']}"
    rule = {"protocol": "icmp", "sources": {"addresses": ["192.0.2.0/24"]}}
    api("PUT", path, {"name": "fw", "inbound_rules": [rule], "tags": ["worker"]})
    assert [
        inbound.protocol for inbound in machines.network_state.droplet_firewalls[0].inbound
    ] == ["icmp"]
    tagged = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
    api("DELETE", "/v2/tags/worker/resources", tagged, 204)
    assert machines.network_state.droplet_firewalls == []
    api("POST", "/v2/tags/worker/resources", tagged, 204)
    assert len(machines.network_state.droplet_firewalls) == 1
    api("DELETE", path, expect=204)
    assert machines.network_state.droplet_firewalls == []
    api.run_action(droplet["id"], type="rename", name="renamed")
    assert [spec.name for spec in machines.network_state.droplets] == ["renamed"]


def test_all_ports(api: Client, machines: WatchedMachines) -> None:
    api.droplet(tags=["worker"])
    rule = {"protocol": "udp", "ports": "all", "destinations": {"addresses": ["0.0.0.0/0"]}}
    api("POST", "/v2/firewalls", {"name": "fw", "outbound_rules": [rule], "tags": ["worker"]}, 202)
    expected = FirewallRule.model_validate(
        {"protocol": "udp", "ports": "all", "peers": ["0.0.0.0/0"]}
    )
    assert machines.network_state.droplet_firewalls[0].outbound == [expected]


def test_a_network_failure_is_reported_and_creates_no_firewall(
    api: Client, machines: WatchedMachines
) -> None:
    worker = api.droplet("worker", tags=["worker"])
    machines.broken = True
    assert "nft refuses" in api.error_message(
        "POST", "/v2/firewalls", _allow(api, addresses=["192.0.2.1"]), expect=500
    )
    assert api("GET", "/v2/firewalls")["firewalls"] == []
    body = {"name": "one", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    created = api("POST", "/v2/droplets", body, 202)
    assert api.wait_for_action(created["links"]["actions"][0]["id"])["status"] == "errored"
    machines.broken = False
    api("POST", "/v2/firewalls", _allow(api, addresses=["192.0.2.1"]), 202)
    assert [spec.id for spec in machines.network_state.droplets] == [
        worker["id"],
        created["droplet"]["id"],
    ]
    assert machines.network_state.droplet_firewalls[0].droplet_id == worker["id"]
