"""An account cannot see, change or use the resources of another account."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.rehearsal.support.client import Client
from tests.rehearsal.support.seeding import (
    HTTP,
    PUBLIC_KEY,
    SSH,
    Values,
    body,
    fill,
    prefixes,
    routes,
    seed,
)

BODY = {"name": "own", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
BALANCER = {"name": "own", "region": "nyc3", "forwarding_rules": [HTTP]}
FIREWALL = {"name": "own", "inbound_rules": [SSH]}
EVERYBODYS = {"/v2/regions", "/v2/sizes"}


@pytest.fixture
def values(api: Client) -> Values:
    """The resources of the default account."""
    return seed(api)


def _responses(client: Client, values: Values) -> dict[str, Any]:
    """Return all that an account sees: its lists, and each of its resources."""
    paths = [fill(path, values) for method, path in routes() if method == "GET"]
    return {path: _request(client, "GET", path) for path in paths}


def _request(client: Client, method: str, path: str, json: Any = None) -> tuple[int, Any]:
    response = client.http.request(method, client.url + path, json=json)
    answer = response.json() if response.content else {}
    return response.status_code, {
        key: value for key, value in answer.items() if key != "request_id"
    }


def _unknown(value: Any) -> Any:
    """Return identifiers in the format of existing ones that name nothing."""
    if str(value).isdecimal():
        return 1_999_999_999
    try:
        return str(uuid4()) if UUID(str(value)) else None
    except ValueError:
        return "198.18.0.1" if str(value).startswith("198.18.") else f"un{value}"


def test_resources_of_another_account_look_like_absent_ones(
    api: Client, other: Client, values: Values
) -> None:
    before = _responses(api, values)
    unknown = {prefix: _unknown(value) for prefix, value in values.items()}
    naming = [(method, path) for method, path in routes() if prefixes(path)]
    wrong = {}
    for method, path in naming:
        answer = _request(other, method, fill(path, values), body(method, path, values))
        nothing = _request(other, method, fill(path, unknown), body(method, path, values))
        if answer != nothing or answer[0] != 404 or answer[1]["id"] != "not_found":
            wrong[method, path] = answer, nothing
    assert not wrong
    assert _responses(api, values) == before
    # The owner gets other responses to the same requests; deletions come last.
    for method, path in sorted(naming, key=lambda route: (route[0] == "DELETE", -len(route[1]))):
        status, answer = _request(api, method, fill(path, values), body(method, path, values))
        assert status not in (404, 405, 500), f"{method} {path}: {status} {answer}"


def test_lists_contain_nothing_of_another_account(
    api: Client, other: Client, values: Values
) -> None:
    droplet = api("GET", f"/v2/droplets/{values['/v2/droplets/{}']}")["droplet"]
    addresses = [network["ip_address"] for network in droplet["networks"]["v4"]]
    needles = ["hidden", *map(str, values.values()), *addresses]
    for method, path in routes():
        if method == "GET" and not prefixes(path) and path not in EVERYBODYS:
            text = other.http.get(other.url + path).text
            assert not [needle for needle in needles if needle in text], path
            if f"{path}/{{}}" in values:
                assert any(needle in api.http.get(api.url + path).text for needle in needles), path


Naming = Callable[[Values], tuple[str, str, Any]]

NAMING: dict[str, Naming] = {
    "tag": lambda values: (
        "POST",
        "/v2/tags/own/resources",
        {
            "resources": [
                {"resource_id": str(values["/v2/droplets/{}"]), "resource_type": "droplet"}
            ]
        },
    ),
    "tagged-image": lambda values: (
        "POST",
        "/v2/tags/own/resources",
        {"resources": [{"resource_id": str(values["/v2/images/{}"]), "resource_type": "image"}]},
    ),
    "firewall": lambda values: (
        "POST",
        "/v2/firewalls",
        FIREWALL | {"droplet_ids": [values["/v2/droplets/{}"]]},
    ),
    "firewall-of-tag": lambda values: (
        "POST",
        "/v2/firewalls",
        FIREWALL | {"tags": [values["/v2/tags/{}"]]},
    ),
    "firewall-peer": lambda values: (
        "POST",
        "/v2/firewalls",
        FIREWALL
        | {"inbound_rules": [SSH | {"sources": {"droplet_ids": [values["/v2/droplets/{}"]]}}]},
    ),
    "firewall-peer-tag": lambda values: (
        "POST",
        "/v2/firewalls",
        FIREWALL | {"inbound_rules": [SSH | {"sources": {"tags": [values["/v2/tags/{}"]]}}]},
    ),
    "firewall-peer-balancer": lambda values: (
        "POST",
        "/v2/firewalls",
        FIREWALL
        | {
            "inbound_rules": [
                SSH | {"sources": {"load_balancer_uids": [values["/v2/load_balancers/{}"]]}}
            ]
        },
    ),
    "balancer": lambda values: (
        "POST",
        "/v2/load_balancers",
        BALANCER | {"droplet_ids": [values["/v2/droplets/{}"]]},
    ),
    "balancer-vpc": lambda values: (
        "POST",
        "/v2/load_balancers",
        BALANCER | {"vpc_uuid": values["/v2/vpcs/{}"]},
    ),
    "balancer-project": lambda values: (
        "POST",
        "/v2/load_balancers",
        BALANCER | {"project_id": values["/v2/projects/{}"]},
    ),
    "balancer-certificate": lambda values: (
        "POST",
        "/v2/load_balancers",
        BALANCER
        | {
            "forwarding_rules": [
                HTTP
                | {
                    "entry_protocol": "https",
                    "entry_port": 443,
                    "certificate_id": values["/v2/certificates/{}"],
                }
            ]
        },
    ),
    "droplet-vpc": lambda values: (
        "POST",
        "/v2/droplets",
        BODY | {"vpc_uuid": values["/v2/vpcs/{}"]},
    ),
    "droplet-image": lambda values: (
        "POST",
        "/v2/droplets",
        BODY | {"image": values["/v2/images/{}"]},
    ),
    "droplet-key": lambda values: (
        "POST",
        "/v2/droplets",
        BODY | {"ssh_keys": [values["/v2/account/keys/{}"]]},
    ),
    "certificate": lambda values: (
        "POST",
        "/v2/certificates",
        {"name": "own", "type": "lets_encrypt", "dns_names": [values["/v2/domains/{}"]]},
    ),
    "domain": lambda values: ("POST", "/v2/domains", {"name": values["/v2/domains/{}"]}),
    "reserved-ip": lambda values: (
        "POST",
        "/v2/reserved_ips",
        {"droplet_id": values["/v2/droplets/{}"]},
    ),
}


def test_requests_cannot_name_resources_of_another_account(
    api: Client, other: Client, values: Values
) -> None:
    served = {(method, path) for method, path in routes()} | {("POST", "/v2/tags/own/resources")}
    other("POST", "/v2/tags", {"name": "own"}, 201)
    before, own = _responses(api, values), _responses(other, values)
    for naming in NAMING.values():
        method, path, body = naming(values)
        if (method, path) in served:
            status, answer = _request(other, method, path, body)
            assert status in (404, 422), f"{method} {path} {body}: {status} {answer}"
    assert (_responses(api, values), _responses(other, values)) == (before, own)


def test_resources_of_another_account_cannot_be_assigned(
    api: Client, other: Client, values: Values
) -> None:
    droplet = other.droplet("own")["id"]
    firewall = other("POST", "/v2/firewalls", FIREWALL, 202)["firewall"]["id"]
    before = _responses(api, values)
    theirs = values["/v2/droplets/{}"]
    other("POST", f"/v2/firewalls/{firewall}/droplets", {"droplet_ids": [theirs]}, 422)
    other("POST", f"/v2/firewalls/{firewall}/tags", {"tags": [values["/v2/tags/{}"]]}, 422)
    for image in ("images", "snapshots"):
        status, _ = _request(
            other,
            "POST",
            f"/v2/droplets/{droplet}/actions",
            {"type": "rebuild", "image": int(values[f"/v2/{image}/{{}}"])},
        )
        assert status in (404, 422)
    urns = [
        f"do:droplet:{theirs}",
        f"do:vpc:{values['/v2/vpcs/{}']}",
        f"do:loadbalancer:{values['/v2/load_balancers/{}']}",
    ]
    urns.append(f"do:domain:{values['/v2/domains/{}']}")
    assigned = other("POST", "/v2/projects/default/resources", {"resources": urns})["resources"]
    assert [resource["status"] for resource in assigned] == ["not_found"] * len(urns)
    _request(
        other,
        "POST",
        f"/v2/droplets/actions?tag_name={values['/v2/tags/{}']}",
        {"type": "power_off"},
    )
    _request(other, "DELETE", f"/v2/droplets?tag_name={values['/v2/tags/{}']}")
    assert _responses(api, values) == before
    assert other.wait_until_unlocked(droplet)["status"] == "active"


def test_names_keys_and_tags_are_separate_for_each_account(
    api: Client, other: Client, values: Values
) -> None:
    key = other("POST", "/v2/account/keys", {"name": "hidden", "public_key": PUBLIC_KEY}, 201)[
        "ssh_key"
    ]
    tag = other("POST", "/v2/tags", {"name": "HIDDEN-TAG"}, 201)["tag"]
    vpc = other("POST", "/v2/vpcs", {"name": "hidden", "region": "nyc3"}, 201)["vpc"]
    other("POST", "/v2/firewalls", FIREWALL | {"name": "hidden", "tags": ["hidden-tag"]}, 202)
    other("POST", "/v2/projects", {"name": "hidden", "purpose": "Testing"}, 201)
    droplet = other.droplet(
        "hidden", vpc_uuid=vpc["id"], tags=["hidden-tag"], ssh_keys=[key["fingerprint"]]
    )
    assert key["id"] != values["/v2/account/keys/{}"]
    assert (tag["name"], droplet["tags"]) == ("HIDDEN-TAG", ["HIDDEN-TAG"])
    other("DELETE", f"/v2/account/keys/{key['fingerprint']}", expect=204)
    other("DELETE", "/v2/tags/hidden-tag", expect=204)
    assert (
        api("GET", f"/v2/account/keys/{key['fingerprint']}")["ssh_key"]["id"]
        == values["/v2/account/keys/{}"]
    )
    assert api("GET", "/v2/tags/hidden-tag")["tag"]["resources"]["droplets"]["count"] == 1


def test_addresses_and_ids_are_unique_across_accounts(api: Client, other: Client) -> None:
    droplets = [client.droplet(f"d{number}") for number in range(3) for client in (api, other)]
    assert len({droplet["id"] for droplet in droplets}) == len(droplets)
    publics = {
        network["ip_address"]
        for droplet in droplets
        for network in droplet["networks"]["v4"]
        if network["type"] == "public"
    }
    assert len(publics) == len(droplets)
    ranges = [client("GET", "/v2/vpcs")["vpcs"][0]["ip_range"] for client in (api, other)]
    assert ranges[0] != ranges[1]


def test_accounts_may_use_the_same_range_on_memory_machines(api: Client, other: Client) -> None:
    for client in (api, other):
        client(
            "POST", "/v2/vpcs", {"name": "same", "region": "nyc3", "ip_range": "10.1.0.0/24"}, 201
        )
