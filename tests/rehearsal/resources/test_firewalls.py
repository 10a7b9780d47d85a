"""Firewalls."""

from typing import Any

import pytest

from tests.rehearsal.support.client import Client, until
from tests.rehearsal.support.samples import DROPLET

SSH = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0", "::/0"]}}
ANY = {"protocol": "udp", "ports": "all", "destinations": {"addresses": ["0.0.0.0/0"]}}


def _create(api: Client, name: str = "fw", **more: Any) -> dict[str, Any]:
    created: dict[str, Any] = api(
        "POST", "/v2/firewalls", {"name": name, "inbound_rules": [SSH]} | more, 202
    )["firewall"]
    return created


def test_create_replace_delete(api: Client) -> None:
    droplet = api.droplet(tags=["web"])
    firewall = _create(api, outbound_rules=[ANY], droplet_ids=[droplet["id"]], tags=["WEB"])
    assert (firewall["status"], firewall["droplet_ids"], firewall["tags"]) == (
        "succeeded",
        [droplet["id"]],
        ["web"],
    )
    assert firewall["inbound_rules"] == [SSH]
    assert firewall["outbound_rules"] == [ANY | {"ports": "0"}]
    path = f"/v2/firewalls/{firewall['id']}"
    assert api("GET", path)["firewall"] == firewall
    icmp = {"protocol": "icmp", "sources": {"droplet_ids": [droplet["id"]]}}
    replaced = api("PUT", path, {"name": "fw", "inbound_rules": [icmp]})["firewall"]
    assert replaced["inbound_rules"] == [icmp | {"ports": "0"}]
    assert (replaced["outbound_rules"], replaced["droplet_ids"], replaced["tags"]) == ([], [], [])
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "x"}, 422),
        ({"name": "under_score"}, 422),
        ({"name": "taken"}, 409),
        ({"inbound_rules": []}, 422),
        ({"inbound_rules": [SSH | {"protocol": "gre"}]}, 422),
        ({"inbound_rules": [SSH | {"ports": "70000"}]}, 422),
        ({"inbound_rules": [SSH | {"ports": "90-80"}]}, 422),
        ({"inbound_rules": [SSH | {"ports": ""}]}, 422),
        ({"inbound_rules": [SSH | {"ports": "٢٢"}]}, 422),
        ({"inbound_rules": [SSH | {"ports": "22-"}]}, 422),
        ({"inbound_rules": [SSH | {"ports": "22, 23"}]}, 422),
        ({"inbound_rules": [SSH | {"ports": "9" * 5000}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"addresses": ["fe80::1%lo"]}}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"addresses": ["10.0.0.0/33"]}}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"kubernetes_ids": ["x"]}}]}, 422),
        ({"inbound_rules": None}, 422),
        ({"inbound_rules": [SSH | {"sources": None}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"addresses": ["nowhere"]}}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"tags": ["none"]}}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"droplet_ids": [1]}}]}, 422),
        ({"inbound_rules": [SSH | {"sources": {"load_balancer_uids": ["x"]}}]}, 422),
        ({"tags": ["none"]}, 422),
        ({"droplet_ids": [1]}, 422),
    ],
)
def test_invalid_creations(api: Client, change: dict[str, Any], status: int) -> None:
    _create(api, "taken")
    api.error_message(
        "POST", "/v2/firewalls", {"name": "fw", "inbound_rules": [SSH]} | change, status
    )
    assert api("GET", "/v2/firewalls")["meta"]["total"] == 1


def test_rules_droplets_and_tags_are_added_and_removed(api: Client) -> None:
    droplet = api.droplet(tags=["web"])
    path = f"/v2/firewalls/{_create(api)['id']}"
    api("POST", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, 204)
    api("POST", f"{path}/tags", {"tags": ["web"]}, 204)
    api("POST", f"{path}/rules", {"outbound_rules": [ANY]}, 204)
    firewall = api("GET", path)["firewall"]
    assert (firewall["droplet_ids"], firewall["tags"], len(firewall["outbound_rules"])) == (
        [droplet["id"]],
        ["web"],
        1,
    )
    assert api("GET", f"/v2/droplets/{droplet['id']}/firewalls")["firewalls"] == [firewall]
    api("DELETE", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, 204)
    api("DELETE", f"{path}/tags", {"tags": ["web"]}, 204)
    api("DELETE", f"{path}/rules", {"outbound_rules": [ANY]}, 204)
    firewall = api("GET", path)["firewall"]
    assert (firewall["droplet_ids"], firewall["tags"], firewall["outbound_rules"]) == ([], [], [])
    api.error_message("DELETE", f"{path}/rules", {"inbound_rules": [SSH]})
    for part in ("rules", "tags", "droplets"):
        for method in ("POST", "DELETE"):
            api.error_message(method, f"{path}/{part}", {})


def test_a_firewall_has_limits(api: Client) -> None:
    names = {key: value for key, value in DROPLET.items() if key != "name"} | {
        "tags": [f"t{number}" for number in range(6)]
    }
    created = [
        api(
            "POST",
            "/v2/droplets",
            names | {"names": [f"a{number}" for number in range(count)]},
            202,
        )["droplets"]
        for count in (10, 1)
    ]
    ids = [droplet["id"] for droplets in created for droplet in droplets]
    rules = [SSH | {"ports": str(port)} for port in range(1, 52)]
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(1001)]
    firewall = _create(api, droplet_ids=ids[:10], tags=names["tags"][:5], inbound_rules=rules[:50])
    path = f"/v2/firewalls/{firewall['id']}"
    for part, body, message in [
        ("droplets", {"droplet_ids": ids[10:]}, "10 Droplets"),
        ("tags", {"tags": names["tags"][5:]}, "5 tags"),
        ("rules", {"outbound_rules": [ANY]}, "50 rules"),
    ]:
        assert message in api.error_message("POST", f"{path}/{part}", body)
    for change in ({"droplet_ids": ids}, {"tags": names["tags"]}, {"inbound_rules": rules}):
        assert "up to" in api.error_message(
            "POST", "/v2/firewalls", {"name": "more", "inbound_rules": [SSH]} | change
        )
    many = {"name": "many", "inbound_rules": [SSH | {"sources": {"addresses": addresses}}]}
    assert "1000 addresses in a rule" in api.error_message("POST", "/v2/firewalls", many)
    until(lambda: all(not droplet["locked"] for droplet in api("GET", "/v2/droplets")["droplets"]))


def test_a_deleted_droplet_is_in_no_firewall(api: Client) -> None:
    droplet = api.droplet()
    rule = SSH | {"sources": {"droplet_ids": [droplet["id"]]}}
    firewall = _create(api, inbound_rules=[rule], droplet_ids=[droplet["id"]])
    api("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
    firewall = api("GET", f"/v2/firewalls/{firewall['id']}")["firewall"]
    assert (firewall["droplet_ids"], firewall["inbound_rules"][0]["sources"]) == ([], {})
