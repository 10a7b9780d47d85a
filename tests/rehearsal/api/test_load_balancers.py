"""Load balancers, as the API keeps them."""

from typing import Any

import pytest

from tests.rehearsal.api.client import Client, until

HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8085}
ONE = {"name": "edge", "region": "nyc3", "forwarding_rules": [HTTP], "tag": "worker"}


def _create(api: Client, **change: Any) -> dict[str, Any]:
    id = api("POST", "/v2/load_balancers", ONE | change, 202)["load_balancer"]["id"]
    return until(lambda: _active(api, id))


def _active(api: Client, id: str) -> dict[str, Any] | None:
    balancer: dict[str, Any] = api("GET", f"/v2/load_balancers/{id}")["load_balancer"]
    return balancer if balancer["status"] == "active" else None


def test_it_is_new_then_active_with_an_address(api: Client) -> None:
    new = api("POST", "/v2/load_balancers", ONE, 202)["load_balancer"]
    assert (new["status"], new["ip"]) == ("new", "")
    balancer = until(lambda: _active(api, new["id"]))
    assert balancer["ip"].startswith("198.18.240.")
    assert (balancer["region"]["slug"], balancer["type"], balancer["size_unit"]) == ("nyc3", "REGIONAL", 1)
    assert balancer["forwarding_rules"] == [HTTP | {"certificate_id": "", "tls_passthrough": False}]
    check = balancer["health_check"]
    assert (check["check_interval_seconds"], check["unhealthy_threshold"], check["healthy_threshold"]) == (10, 5, 3)
    assert balancer["sticky_sessions"] == {"type": "none"}
    assert api("GET", f"/v2/projects/{balancer['project_id']}")["project"]["is_default"]
    members = api("GET", f"/v2/vpcs/{balancer['vpc_uuid']}/members?resource_type=loadbalancer")["members"]
    assert [member["urn"] for member in members] == [f"do:loadbalancer:{balancer['id']}"]


def test_it_follows_its_tag(api: Client) -> None:
    balancer = _create(api)
    path = f"/v2/load_balancers/{balancer['id']}"
    assert balancer["droplet_ids"] == []
    droplet = api.droplet(tags=["worker"])
    assert api("GET", path)["load_balancer"]["droplet_ids"] == [droplet["id"]]
    api("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
    assert api("GET", path)["load_balancer"]["droplet_ids"] == []


def test_droplets_and_rules_are_added_and_removed(api: Client) -> None:
    droplet = api.droplet()
    path = f"/v2/load_balancers/{_create(api, tag='')['id']}"
    api("POST", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, 204)
    other = HTTP | {"entry_port": 81}
    api("POST", f"{path}/forwarding_rules", {"forwarding_rules": [other]}, 204)
    balancer = api("GET", path)["load_balancer"]
    assert balancer["droplet_ids"] == [droplet["id"]]
    assert [rule["entry_port"] for rule in balancer["forwarding_rules"]] == [80, 81]
    api("DELETE", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, 204)
    api("DELETE", f"{path}/forwarding_rules", {"forwarding_rules": [other]}, 204)
    balancer = api("GET", path)["load_balancer"]
    assert (balancer["droplet_ids"], len(balancer["forwarding_rules"])) == ([], 1)
    api.refusal("DELETE", f"{path}/forwarding_rules", {"forwarding_rules": [HTTP]})


def test_a_full_update(api: Client) -> None:
    balancer = _create(api)
    path = f"/v2/load_balancers/{balancer['id']}"
    sticky = {"type": "cookies", "cookie_name": "stick", "cookie_ttl_seconds": 60}
    changes = {"algorithm": "least_connections", "sticky_sessions": sticky, "health_check": {"protocol": "tcp", "port": 22, "path": ""}}
    changed = api("PUT", path, ONE | changes)["load_balancer"]
    assert (changed["algorithm"], changed["sticky_sessions"], changed["health_check"]["protocol"]) == ("least_connections", sticky, "tcp")
    assert (changed["id"], changed["ip"], changed["created_at"]) == (balancer["id"], balancer["ip"], balancer["created_at"])
    assert "can not be changed" in api.refusal("PUT", path, ONE | {"region": "ams3"})
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)
    api("DELETE", path, expect=404)


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"region": "mars1"},
        {"region": None},
        {"forwarding_rules": []},
        {"forwarding_rules": [HTTP, HTTP]},
        {"forwarding_rules": [HTTP | {"entry_port": 0}]},
        {"forwarding_rules": [HTTP | {"entry_protocol": "https"}]},
        {"forwarding_rules": [HTTP | {"certificate_id": "892071a0-bb95-49bc-8021-3afd67a210bf"}]},
        {"droplet_ids": [1], "tag": ""},
        {"droplet_ids": [1], "tag": "worker"},
        {"http_idle_timeout_seconds": 29},
        {"http_idle_timeout_seconds": 601},
        {"size_unit": 101},
        {"health_check": {"path": "no-slash"}},
        {"sticky_sessions": {"type": "cookies"}},
        {"vpc_uuid": "892071a0-bb95-49bc-8021-3afd67a210bf"},
        {"project_id": "892071a0-bb95-49bc-8021-3afd67a210bf"},
        {"tag": "bad tag"},
        {"type": "GLOBAL"},
    ],
)
def test_what_cannot_be_created(api: Client, change: dict[str, Any]) -> None:
    api.refusal("POST", "/v2/load_balancers", ONE | change)
    assert api("GET", "/v2/load_balancers")["load_balancers"] == []


def test_a_deleted_balancer_is_in_no_firewall(api: Client) -> None:
    balancer = _create(api)
    rule = {"protocol": "tcp", "ports": "8085", "sources": {"load_balancer_uids": [balancer["id"]]}}
    firewall = api("POST", "/v2/firewalls", {"name": "fw", "inbound_rules": [rule]}, 202)["firewall"]
    api("DELETE", f"/v2/load_balancers/{balancer['id']}", expect=204)
    assert api("GET", f"/v2/firewalls/{firewall['id']}")["firewall"]["inbound_rules"][0]["sources"] == {}
