"""Conflicts: deleted resources, resources in use and repeated names; fields that are never null."""

from typing import Any

import pytest

from tests.rehearsal.support.client import Client, until
from tests.rehearsal.support.samples import SSH_KEY

RULE = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
MADE: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "ssh_key": ("/v2/account/keys", "id", {"name": "one", "public_key": SSH_KEY}, 201),
    "tag": ("/v2/tags", "name", {"name": "one"}, 201),
    "vpc": ("/v2/vpcs", "id", {"name": "one", "region": "nyc3"}, 201),
    "project": ("/v2/projects", "id", {"name": "one", "purpose": "IoT"}, 201),
    "firewall": ("/v2/firewalls", "id", {"name": "one", "inbound_rules": [RULE]}, 202),
}
"""Type -> path, identifying field, body and status of a creation."""
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "ssh_key": ("PUT", {"name": "two"}),
    "tag": ("POST", {"resources": []}),
    "vpc": ("PATCH", {"name": "two"}),
    "project": ("PATCH", {"name": "two"}),
    "firewall": ("PUT", {"name": "two", "inbound_rules": [RULE]}),
}
NOT_FOUND_MESSAGE = "The resource you were accessing could not be found."


@pytest.mark.parametrize("kind", MADE)
def test_a_deleted_resource_is_not_found(api: Client, kind: str) -> None:
    where, key, body, status = MADE[kind]
    path = f"{where}/{api('POST', where, body, status)[kind][key]}"
    api("DELETE", path, expect=204)
    method, change = CHANGES[kind]
    assert api.error_message("GET", path, expect=404) == NOT_FOUND_MESSAGE
    assert api.error_message("DELETE", path, expect=404) == NOT_FOUND_MESSAGE
    assert (
        api.error_message(
            method, path + ("/resources" if kind == "tag" else ""), change, expect=404
        )
        == NOT_FOUND_MESSAGE
    )
    assert api("POST", where, body, status)[kind]


def test_a_deleted_droplet_is_not_found(api: Client) -> None:
    droplet = api.droplet()["id"]
    api("DELETE", f"/v2/droplets/{droplet}", expect=204)
    for path in ("", "/actions", "/snapshots", "/firewalls", "/actions/1"):
        assert (
            api.error_message("GET", f"/v2/droplets/{droplet}{path}", expect=404)
            == NOT_FOUND_MESSAGE
        )
    assert (
        api.error_message("POST", f"/v2/droplets/{droplet}/actions", {"type": "reboot"}, expect=404)
        == NOT_FOUND_MESSAGE
    )
    assert api.error_message("DELETE", f"/v2/droplets/{droplet}", expect=404) == NOT_FOUND_MESSAGE


def test_a_deleted_image_is_not_found_by_id_or_slug(api: Client) -> None:
    image = api.snapshot()["id"]
    api("DELETE", f"/v2/snapshots/{image}", expect=204)
    for method, path in [
        ("GET", "images"),
        ("DELETE", "images"),
        ("GET", "snapshots"),
        ("DELETE", "snapshots"),
    ]:
        assert api.error_message(method, f"/v2/{path}/{image}", expect=404) == NOT_FOUND_MESSAGE
    assert (
        api.error_message("PUT", f"/v2/images/{image}", {"name": "two"}, expect=404)
        == NOT_FOUND_MESSAGE
    )
    assert api.error_message("GET", f"/v2/images/{image}/actions", expect=404) == NOT_FOUND_MESSAGE
    assert (
        api.error_message(
            "POST",
            f"/v2/images/{image}/actions",
            {"type": "transfer", "region": "ams3"},
            expect=404,
        )
        == NOT_FOUND_MESSAGE
    )
    droplet = api.droplet()
    assert "invalid image" in api.error_message(
        "POST", f"/v2/droplets/{droplet['id']}/actions", {"type": "rebuild", "image": image}
    )


@pytest.mark.parametrize("kind", ["vpc", "project", "firewall"])
def test_names_are_unique(api: Client, kind: str) -> None:
    where, key, body, status = MADE[kind]
    path = f"{where}/{api('POST', where, body, status)[kind][key]}"
    refused = 422 if kind == "vpc" else 409
    api.error_message("POST", where, body, refused)
    other = api("POST", where, body | ({"name": "two"}), status)[kind][key]
    method, change = CHANGES[kind]
    api.error_message(method, f"{where}/{other}", change | {"name": "one"}, refused)
    api(method, path, change | {"name": "one"})


@pytest.mark.parametrize("which", ["droplet", "load_balancer"])
def test_a_vpc_with_members_cannot_be_deleted(api: Client, which: str) -> None:
    vpc = api("POST", "/v2/vpcs", {"name": "one", "region": "nyc3"}, 201)["vpc"]["id"]
    rule = {
        "entry_protocol": "http",
        "entry_port": 80,
        "target_protocol": "http",
        "target_port": 80,
    }
    if which == "droplet":
        member = f"/v2/droplets/{api.droplet(vpc_uuid=vpc)['id']}"
    else:
        body = {"name": "edge", "region": "nyc3", "vpc_uuid": vpc, "forwarding_rules": [rule]}
        balancer = api("POST", "/v2/load_balancers", body, 202)["load_balancer"]
        member = f"/v2/load_balancers/{balancer['id']}"
    assert (
        api.error_message("DELETE", f"/v2/vpcs/{vpc}", expect=403)
        == "Can not delete VPC with members"
    )
    api("DELETE", member, expect=204)
    until(lambda: api.http.delete(f"{api.url}/v2/vpcs/{vpc}").status_code == 204)


def test_what_clients_dereference_is_never_null(api: Client) -> None:
    created = api(
        "POST",
        "/v2/droplets",
        {"name": "one", "size": "s-1vcpu-1gb", "image": "debian-12-x64"},
        202,
    )["droplet"]
    snapshot = api.snapshot()["id"]
    for droplet in (created, api.wait_until_unlocked(created["id"])):
        for field in (
            "region",
            "size",
            "networks",
            "image",
            "features",
            "backup_ids",
            "snapshot_ids",
            "volume_ids",
            "tags",
            "vpc_uuid",
        ):
            assert droplet[field] is not None
        assert isinstance(droplet["networks"]["v4"], list)
        assert isinstance(droplet["image"]["regions"], list)
    image = api("GET", f"/v2/images/{snapshot}")["image"]
    assert {key for key, value in image.items() if value is None} == {"slug"}
    snapshot_json = api("GET", f"/v2/snapshots/{snapshot}")["snapshot"]
    assert None not in snapshot_json.values()
    action = api("GET", "/v2/actions")["actions"][-1]
    assert None not in action.values()
    assert action["region"]["slug"] == action["region_slug"]


def test_ids_have_the_documented_type(api: Client) -> None:
    snapshot = api.snapshot()["id"]
    droplet = api.droplet()
    assert isinstance(snapshot, int)
    assert isinstance(droplet["id"], int)
    assert isinstance(droplet["image"]["id"], int)
    assert isinstance(droplet["vpc_uuid"], str)
    assert isinstance(api("GET", f"/v2/snapshots/{snapshot}")["snapshot"]["id"], str)
    assert isinstance(api("GET", f"/v2/images/{snapshot}")["image"]["id"], int)
    for action in api("GET", "/v2/actions")["actions"]:
        assert isinstance(action["id"], int)
        assert isinstance(action["resource_id"], int)
    for kind, (where, key, body, status) in MADE.items():
        assert isinstance(
            api("POST", where, body, status)[kind][key], int if kind == "ssh_key" else str
        )
