"""Creation, lists and deletion of droplets."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.support.client import Client, running, until
from tests.rehearsal.support.machines import BrokenMachines, HeldMachines
from tests.rehearsal.support.samples import DROPLET, SSH_KEY, SSH_KEY_FINGERPRINT


def _address(droplet: dict[str, Any], kind: str) -> dict[str, str]:
    network_json: dict[str, str] = next(
        network for network in droplet["networks"]["v4"] if network["type"] == kind
    )
    return network_json


def test_a_droplet_is_new_and_locked_until_its_machine_boots(config: CloudConfig) -> None:
    machines = HeldMachines(config)
    with running(config, machines) as api:
        created = api("POST", "/v2/droplets", DROPLET, 202)
        droplet, action = created["droplet"], created["links"]["actions"][0]
        assert (droplet["status"], droplet["locked"], droplet["networks"]) == (
            "new",
            True,
            {"v4": [], "v6": []},
        )
        assert action["href"] == f"{api.url}/v2/actions/{action['id']}"
        path = f"/v2/droplets/{droplet['id']}"
        assert (
            api.error_message("POST", f"{path}/actions", {"type": "power_off"})
            == "Droplet already has a pending event."
        )
        assert api.error_message("DELETE", path) == "Droplet already has a pending event."
        machines.held = False
        assert api.wait_for_action(action["id"])["status"] == "completed"
        assert (
            api.wait_until_unlocked(droplet["id"])["status"],
            api.wait_until_unlocked(droplet["id"])["locked"],
        ) == (
            "active",
            False,
        )


def test_a_droplet_has_the_requested_attributes(api: Client, config: CloudConfig) -> None:
    key = api("POST", "/v2/account/keys", {"name": "mine", "public_key": SSH_KEY}, 201)["ssh_key"]
    vpc = api(
        "POST", "/v2/vpcs", {"name": "private", "region": "nyc3", "ip_range": "10.10.0.0/20"}, 201
    )["vpc"]
    wishes = {
        "backups": True,
        "ipv6": True,
        "monitoring": True,
        "tags": ["a:1", "b"],
        "vpc_uuid": vpc["id"],
    }
    droplet = api.droplet(ssh_keys=[key["id"], SSH_KEY_FINGERPRINT], **wishes)
    assert {"backups", "ipv6", "monitoring", "private_networking"} <= set(droplet["features"])
    assert (droplet["tags"], droplet["vpc_uuid"]) == (["a:1", "b"], vpc["id"])
    assert (droplet["memory"], droplet["vcpus"], droplet["disk"], droplet["size_slug"]) == (
        1024,
        1,
        25,
        "s-1vcpu-1gb",
    )
    assert (droplet["region"]["slug"], droplet["image"]["slug"]) == ("nyc3", "debian-12-x64")
    assert droplet["next_backup_window"]["start"] < droplet["next_backup_window"]["end"]
    private = {
        "ip_address": "10.10.0.2",
        "netmask": "255.255.240.0",
        "gateway": "10.10.0.1",
        "type": "private",
    }
    assert _address(droplet, "private") == private
    public = _address(droplet, "public")
    assert (IPv4Address(public["ip_address"]), public["gateway"]) == (
        config.first_assignable_address,
        str(config.gateway),
    )


def test_null_means_absent(api: Client) -> None:
    droplet = api.droplet(
        ssh_keys=None, tags=None, volumes=None, user_data=None, vpc_uuid=None, backup_policy=None
    )
    assert droplet["tags"] == droplet["volume_ids"] == []


def test_without_a_vpc_it_is_in_the_default_one(api: Client) -> None:
    first, second = api.droplet("one"), api.droplet("two")
    assert first["vpc_uuid"] == second["vpc_uuid"]
    vpc = api("GET", f"/v2/vpcs/{first['vpc_uuid']}")["vpc"]
    assert (vpc["default"], vpc["region"]) == (True, "nyc3")


def test_droplets_of_one_request_have_different_addresses(api: Client) -> None:
    body = {key: value for key, value in DROPLET.items() if key != "name"} | {
        "names": ["a1", "a2", "a3"]
    }
    created = api("POST", "/v2/droplets", body, 202)
    droplets = [api.wait_until_unlocked(droplet["id"]) for droplet in created["droplets"]]
    assert [droplet["name"] for droplet in droplets] == ["a1", "a2", "a3"]
    assert len({_address(droplet, "public")["ip_address"] for droplet in droplets}) == 3
    assert len({_address(droplet, "private")["ip_address"] for droplet in droplets}) == 3


def test_lists_are_filtered_by_name_and_tag(api: Client) -> None:
    api.droplet("one", tags=["Worker"])
    api.droplet("two", tags=["worker", "blue"])
    api.droplet("three")

    def names(query: str) -> list[str]:
        return [droplet["name"] for droplet in api("GET", f"/v2/droplets{query}")["droplets"]]

    assert names("") == ["one", "two", "three"]
    assert names("?tag_name=WORKER") == ["one", "two"]
    assert names("?name=three") == ["three"]
    assert names("?type=gpus") == []


def test_addresses_of_a_deleted_droplet_are_not_reused_at_once(
    api: Client, machines: MemoryMachines
) -> None:
    droplet = api.droplet()
    path = f"/v2/droplets/{droplet['id']}"
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)
    api("GET", f"{path}/actions", expect=404)
    api("DELETE", path, expect=404)
    destroyed = next(
        action for action in api("GET", "/v2/actions")["actions"] if action["type"] == "destroy"
    )
    api.wait_for_action(destroyed["id"])
    again = api.droplet()
    assert again["id"] != droplet["id"]
    given = {network["ip_address"] for one in (droplet, again) for network in one["networks"]["v4"]}
    assert len(given) == 4


def test_all_with_a_tag_are_deleted(api: Client) -> None:
    api.droplet("one", tags=["old"])
    api.droplet("two", tags=["old"])
    api.droplet("three")
    api("DELETE", "/v2/droplets?tag_name=old", expect=204)
    assert [droplet["name"] for droplet in api("GET", "/v2/droplets")["droplets"]] == ["three"]
    api.error_message("DELETE", "/v2/droplets")


def test_a_machine_that_does_not_boot_leaves_a_droplet_that_is_off(config: CloudConfig) -> None:
    with running(config, BrokenMachines(config)) as api:
        created = api("POST", "/v2/droplets", DROPLET, 202)
        assert api.wait_for_action(created["links"]["actions"][0]["id"])["status"] == "errored"
        assert api.wait_until_unlocked(created["droplet"]["id"])["status"] == "off"
        api("DELETE", f"/v2/droplets/{created['droplet']['id']}", expect=204)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name is required"),
        (
            {"name": "under_score"},
            "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)",
        ),
        ({"name": "a" * 256}, "Only valid hostname characters"),
        ({"name": "one\n"}, "Only valid hostname characters"),
        ({"region": "mars1"}, "You specified an invalid region for Droplet creation."),
        ({"region": "sfo1"}, "You specified an invalid region for Droplet creation."),
        ({"size": "huge"}, "You specified an invalid size for Droplet creation."),
        ({"size": None}, "size is required"),
        ({"size": "c-2", "region": "nyc2"}, "Size c-2 is not available in region nyc2."),
        ({"image": "debian-99-x64"}, "You specified an invalid image for Droplet creation."),
        ({"image": 7}, "You specified an invalid image for Droplet creation."),
        ({"ssh_keys": [12345]}, "12345 are invalid key identifiers for Droplet creation."),
        ({"vpc_uuid": "5a4981aa-9653-4bd1-bef5-d6bff52042e4"}, "does not exist in region nyc3"),
        ({"tags": ["bad tag"]}, "'bad tag' is invalid"),
        ({"user_data": "x" * (64 * 1024 + 1)}, "User data is too large"),
        (
            {"names": [f"a{number}" for number in range(11)]},
            "You can only create up to 10 Droplets at a time.",
        ),
        ({"volumes": ["506f78a4-e098-11e5-ad9f-000f53306ae1"]}, "no volumes"),
    ],
)
def test_invalid_creations(api: Client, change: dict[str, Any], message: str) -> None:
    assert message in api.error_message("POST", "/v2/droplets", DROPLET | change)
    assert api("GET", "/v2/droplets")["meta"]["total"] == 0
    assert api("GET", "/v2/tags")["tags"] == []


def test_a_full_vpc(api: Client) -> None:
    vpc = api(
        "POST", "/v2/vpcs", {"name": "small", "region": "nyc3", "ip_range": "10.10.0.0/28"}, 201
    )["vpc"]
    names = {key: value for key, value in DROPLET.items() if key != "name"} | {
        "vpc_uuid": vpc["id"]
    }
    api("POST", "/v2/droplets", names | {"names": [f"a{number}" for number in range(9)]}, 202)
    refused = api.error_message(
        "POST", "/v2/droplets", names | {"names": [f"b{number}" for number in range(9)]}
    )
    assert refused == "There are no free addresses in VPC small left."
    assert api("GET", "/v2/droplets")["meta"]["total"] == 9
    until(lambda: all(not droplet["locked"] for droplet in api("GET", "/v2/droplets")["droplets"]))
