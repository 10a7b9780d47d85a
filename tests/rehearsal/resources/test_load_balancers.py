"""Load balancers."""

from typing import Any

import pytest

from tests.rehearsal.support.client import Client, until
from tests.rehearsal.support.issuing import issue

HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8085}
ONE = {"name": "edge", "region": "nyc3", "forwarding_rules": [HTTP], "tag": "worker"}


def _create(api: Client, **change: Any) -> dict[str, Any]:
    id = api("POST", "/v2/load_balancers", ONE | change, 202)["load_balancer"]["id"]
    return until(lambda: _active(api, id))


def _active(api: Client, id: str) -> dict[str, Any] | None:
    balancer: dict[str, Any] = api("GET", f"/v2/load_balancers/{id}")["load_balancer"]
    return balancer if balancer["status"] == "active" else None


def test_a_load_balancer_is_new_then_active_with_an_address(api: Client) -> None:
    new = api("POST", "/v2/load_balancers", ONE, 202)["load_balancer"]
    assert (new["status"], new["ip"]) == ("new", "")
    balancer = until(lambda: _active(api, new["id"]))
    assert balancer["ip"].startswith("198.18.240.")
    assert (balancer["region"]["slug"], balancer["type"], balancer["size_unit"]) == (
        "nyc3",
        "REGIONAL",
        1,
    )
    assert balancer["forwarding_rules"] == [HTTP | {"certificate_id": "", "tls_passthrough": False}]
    check = balancer["health_check"]
    assert (
        check["check_interval_seconds"],
        check["unhealthy_threshold"],
        check["healthy_threshold"],
    ) == (10, 5, 3)
    assert balancer["sticky_sessions"] == {"type": "none"}
    assert api("GET", f"/v2/projects/{balancer['project_id']}")["project"]["is_default"]
    members = api("GET", f"/v2/vpcs/{balancer['vpc_uuid']}/members?resource_type=loadbalancer")[
        "members"
    ]
    assert [member["urn"] for member in members] == [f"do:loadbalancer:{balancer['id']}"]


def test_a_load_balancer_follows_its_tag(api: Client) -> None:
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
    api.error_message("DELETE", f"{path}/forwarding_rules", {"forwarding_rules": [HTTP]})


def test_a_full_update(api: Client) -> None:
    balancer = _create(api)
    path = f"/v2/load_balancers/{balancer['id']}"
    sticky = {"type": "cookies", "cookie_name": "stick", "cookie_ttl_seconds": 60}
    changes = {
        "algorithm": "least_connections",
        "sticky_sessions": sticky,
        "health_check": {"protocol": "tcp", "port": 22, "path": ""},
    }
    changed = api("PUT", path, ONE | changes)["load_balancer"]
    assert (
        changed["algorithm"],
        changed["sticky_sessions"],
        changed["health_check"]["protocol"],
    ) == ("least_connections", sticky, "tcp")
    assert (changed["id"], changed["ip"], changed["created_at"]) == (
        balancer["id"],
        balancer["ip"],
        balancer["created_at"],
    )
    assert "can not be changed" in api.error_message("PUT", path, ONE | {"region": "ams3"})
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
        {"name": "-edge"},
        {"name": "edge-"},
        {"name": "two\nlines"},
        {"name": "x" * 256},
        {"size": "lb-huge"},
        {"size": "lb-medium", "size_unit": 4},
        {"size_unit": 0},
        {"algorithm": "random"},
        {"network": "PRIVATE"},
        {"tls_cipher_policy": "WEAK"},
        {"health_check": {"path": "/" + "x" * 1024}},
        {"health_check": {"check_interval_seconds": 2}},
        {"health_check": {"response_timeout_seconds": 301}},
        {"health_check": {"unhealthy_threshold": 1}},
        {"health_check": {"healthy_threshold": 11}},
        {"health_check": {"port": 0}},
        {"health_check": {"protocol": "udp"}},
        {"sticky_sessions": {"type": "cookies", "cookie_name": "a b", "cookie_ttl_seconds": 1}},
        {"sticky_sessions": {"type": "cookies", "cookie_name": "a\nb", "cookie_ttl_seconds": 1}},
        {"sticky_sessions": {"type": "cookies", "cookie_name": "a", "cookie_ttl_seconds": 0}},
        {"firewall": {"allow": ["192.0.2.1"]}},
        {"firewall": {"deny": ["ip:192.0.2.1/24"]}},
        {"firewall": {"deny": ["cidr:192.0.2.0/24 }\n"]}},
        {"firewall": {"allow": ["tag:web"]}},
        {"domains": [{"name": "example.com"}]},
        {"target_load_balancer_ids": ["892071a0-bb95-49bc-8021-3afd67a210bf"]},
        {"glb_settings": {"target_port": 80}},
    ],
)
def test_invalid_creations(api: Client, change: dict[str, Any]) -> None:
    api.error_message("POST", "/v2/load_balancers", ONE | change)
    assert api("GET", "/v2/load_balancers")["load_balancers"] == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "GLOBAL", "forwarding_rules": []}, "all of its regions are on one machine"),
        ({"type": "REGIONAL_NETWORK"}, "forwards no packets"),
        ({"network_stack": "DUALSTACK"}, "no IPv6"),
        (
            {"forwarding_rules": [HTTP | {"entry_protocol": "udp", "target_protocol": "udp"}]},
            "no UDP",
        ),
        ({"forwarding_rules": [HTTP | {"entry_protocol": "http3"}]}, "no QUIC"),
    ],
)
def test_unsupported_values_say_why(api: Client, change: dict[str, Any], reason: str) -> None:
    assert reason in api.error_message("POST", "/v2/load_balancers", ONE | change)


@pytest.fixture
def certificate(api: Client) -> str:
    """Return the id of a verified certificate."""
    body = {"name": "web", "type": "custom"} | issue("one", "www.example.com").upload
    return str(api("POST", "/v2/certificates", body, 201)["certificate"]["id"])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, "needs a certificate_id or tls_passthrough"),
        ({"certificate_id": "x", "tls_passthrough": True}, "Only one of"),
        (
            {"entry_protocol": "http", "certificate_id": "x"},
            "need the entry protocol https or http2",
        ),
        (
            {"entry_protocol": "tcp", "target_protocol": "tcp", "tls_passthrough": True},
            "need the entry protocol https or http2",
        ),
        (
            {"target_protocol": "http", "tls_passthrough": True},
            "needs the target protocol https, not http",
        ),
        (
            {"entry_protocol": "http2", "target_protocol": "https", "tls_passthrough": True},
            "needs the target protocol http2",
        ),
        ({"target_protocol": "tcp", "certificate_id": "x"}, "https cannot be forwarded as tcp"),
        ({"entry_protocol": "tcp", "target_protocol": "http"}, "tcp cannot be forwarded as http"),
        (
            {"certificate_id": "892071a0-bb95-49bc-8021-3afd67a210bf"},
            "certificate 892071a0-bb95-49bc-8021-3afd67a210bf does not exist",
        ),
        ({"certificate_id": "../../authority/authority"}, "does not exist"),
    ],
)
def test_invalid_tls_rules(api: Client, rule: dict[str, Any], expected: str) -> None:
    secure = {
        "entry_protocol": "https",
        "entry_port": 443,
        "target_protocol": "https",
        "target_port": 443,
    }
    path = f"/v2/load_balancers/{_create(api)['id']}"
    assert expected in api.error_message(
        "POST", "/v2/load_balancers", ONE | {"forwarding_rules": [secure | rule]}
    )
    assert expected in api.error_message(
        "POST", f"{path}/forwarding_rules", {"forwarding_rules": [secure | rule]}
    )
    assert len(api("GET", path)["load_balancer"]["forwarding_rules"]) == 1


def test_tls_termination_and_passthrough(api: Client, certificate: str) -> None:
    rules = [
        {
            "entry_protocol": entry,
            "entry_port": 443 + number,
            "target_protocol": target,
            "target_port": 8443,
        }
        | (
            {"certificate_id": certificate, "tls_passthrough": False}
            if ends
            else {"certificate_id": "", "tls_passthrough": True}
        )
        for number, (entry, target, ends) in enumerate(
            [
                ("https", "http", True),
                ("https", "https", True),
                ("http2", "http", True),
                ("http2", "http2", True),
                ("https", "https", False),
                ("http2", "http2", False),
            ]
        )
    ]
    balancer = _create(
        api, forwarding_rules=rules, tls_cipher_policy="STRONG", redirect_http_to_https=True
    )
    assert balancer["forwarding_rules"] == rules
    assert (balancer["tls_cipher_policy"], balancer["redirect_http_to_https"]) == ("STRONG", True)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ({}, ("lb-small", 1)),
        ({"size": "lb-medium"}, ("lb-medium", 3)),
        ({"size_unit": 6}, ("lb-large", 6)),
        ({"size_unit": 100}, (None, 100)),
        ({"size": "lb-large", "size_unit": 6}, ("lb-large", 6)),
    ],
)
def test_sizes_are_nodes(
    api: Client, requested: dict[str, Any], expected: tuple[str | None, int]
) -> None:
    balancer = _create(api, **requested)
    assert (balancer.get("size"), balancer["size_unit"]) == expected


@pytest.mark.parametrize("size_unit", [1, 3, 7])
def test_a_response_can_be_sent_back(api: Client, certificate: str, size_unit: int) -> None:
    secure = {
        "entry_protocol": "https",
        "entry_port": 443,
        "target_protocol": "http",
        "target_port": 80,
        "certificate_id": certificate,
    }
    firewall = {"allow": ["ip:192.0.2.1"], "deny": []}
    balancer = _create(
        api, size_unit=size_unit, tag="", forwarding_rules=[HTTP, secure], firewall=firewall
    )
    path = f"/v2/load_balancers/{balancer['id']}"
    assert (
        api("PUT", path, balancer | {"region": balancer["region"]["slug"]})["load_balancer"]
        == balancer
    )


def test_an_internal_load_balancer_has_an_address_of_its_vpc(api: Client) -> None:
    vpc = api(
        "POST", "/v2/vpcs", {"name": "inside", "region": "nyc3", "ip_range": "10.20.0.0/24"}, 201
    )["vpc"]
    balancer = _create(api, network="INTERNAL", vpc_uuid=vpc["id"])
    assert balancer["ip"].startswith("10.20.0.")
    assert (balancer["network"], balancer["vpc_uuid"]) == ("INTERNAL", vpc["id"])
    path = f"/v2/load_balancers/{balancer['id']}"
    assert "network of a Load LoadBalancer" in api.error_message(
        "PUT", path, ONE | {"network": "EXTERNAL"}
    )
    assert api("PUT", path, ONE)["load_balancer"]["network"] == "INTERNAL"


def test_the_firewall_is_stored_unchanged(api: Client) -> None:
    firewall = {"allow": ["ip:192.0.2.1", "cidr:198.51.100.0/24"], "deny": ["cidr:198.51.100.7/25"]}
    balancer = _create(api, firewall=firewall)
    assert balancer["firewall"] == firewall
    changed = api("PUT", f"/v2/load_balancers/{balancer['id']}", ONE)["load_balancer"]
    assert changed["firewall"] == {"allow": [], "deny": []}, (
        "absent fields of a full update get their default"
    )


def test_no_field_is_null(api: Client) -> None:
    def nulls(value: Any) -> bool:
        inside = (
            list(value.values())
            if isinstance(value, dict)
            else value
            if isinstance(value, list)
            else []
        )
        return value is None or any(nulls(item) for item in inside)

    new = api("POST", "/v2/load_balancers", ONE, 202)["load_balancer"]
    assert new["status"] == "new"
    assert not nulls(new)
    assert not nulls(until(lambda: _active(api, new["id"])))


def test_droplets_are_assigned_by_id_or_by_tag(api: Client) -> None:
    droplet = api.droplet()
    balancer = _create(api)
    path = f"/v2/load_balancers/{balancer['id']}"
    assert "has a tag" in api.error_message(
        "POST", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}
    )
    by_id = {key: value for key, value in ONE.items() if key != "tag"} | {
        "droplet_ids": [droplet["id"]]
    }
    changed = api("PUT", path, by_id)["load_balancer"]
    assert (changed["tag"], changed["droplet_ids"]) == ("", [droplet["id"]])
    api("POST", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, 204)
    assert api("GET", path)["load_balancer"]["droplet_ids"] == [droplet["id"]]
    changed = api("PUT", path, ONE)["load_balancer"]
    assert (changed["tag"], changed["droplet_ids"]) == ("worker", [])


def test_a_deleted_balancer_is_in_no_firewall(api: Client) -> None:
    balancer = _create(api)
    rule = {"protocol": "tcp", "ports": "8085", "sources": {"load_balancer_uids": [balancer["id"]]}}
    firewall = api("POST", "/v2/firewalls", {"name": "fw", "inbound_rules": [rule]}, 202)[
        "firewall"
    ]
    api("DELETE", f"/v2/load_balancers/{balancer['id']}", expect=204)
    assert (
        api("GET", f"/v2/firewalls/{firewall['id']}")["firewall"]["inbound_rules"][0]["sources"]
        == {}
    )
