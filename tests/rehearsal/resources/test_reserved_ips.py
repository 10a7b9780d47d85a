"""Reserved IPs: creation, assignment, deletion, and assignment across a crash."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.state import accounts
from rehearsal.state.accounts import DEFAULT_ACCOUNT
from rehearsal.state.store import Database
from rehearsal.times import ReservedIpTimes, Times
from tests.rehearsal.support.client import UNLIMITED, Client, running, until
from tests.rehearsal.support.machines import HeldMachines, WatchedMachines

LOCKED = "The reserved IP already has a pending event."


def reserve(api: Client, **body: Any) -> dict[str, Any]:
    """Create a reserved IP and wait until it is unlocked."""
    ip = api("POST", "/v2/reserved_ips", body or {"region": "nyc3"}, 202)["reserved_ip"]["ip"]
    return wait_until_unlocked(api, ip)


def wait_until_unlocked(api: Client, ip: str) -> dict[str, Any]:
    def unlocked() -> Any:
        address = api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]
        return None if address["locked"] else address

    return until(unlocked)


def run_action(api: Client, ip: str, **action: Any) -> dict[str, Any]:
    """Run an action of a reserved IP to its end."""
    started = api("POST", f"/v2/reserved_ips/{ip}/actions", action, 201)["action"]
    assert (started["status"], started["completed_at"]) == ("in-progress", None)

    def wait_for_end() -> Any:
        current = api("GET", f"/v2/reserved_ips/{ip}/actions/{started['id']}")["action"]
        return current if current["completed_at"] else None

    return until(wait_for_end)


def assigned_droplet_id(api: Client, ip: str) -> int | None:
    """Return the id of the droplet that the reserved IP is assigned to."""
    droplet = wait_until_unlocked(api, ip)["droplet"]
    return droplet["id"] if droplet else None


def test_reserved_to_a_region(api: Client) -> None:
    answer = api("POST", "/v2/reserved_ips", {"region": "nyc3"}, 202)
    address = answer["reserved_ip"]
    assert answer["links"] == {}
    assert (address["region"]["slug"], address["droplet"], address["locked"]) == (
        "nyc3",
        None,
        False,
    )
    assert address["project_id"] == api("GET", "/v2/projects/default")["project"]["id"]
    assert api("GET", f"/v2/reserved_ips/{address['ip']}")["reserved_ip"] == address
    assert api("GET", "/v2/reserved_ips")["reserved_ips"] == [address]
    (action,) = api("GET", f"/v2/reserved_ips/{address['ip']}/actions")["actions"]
    assert (action["type"], action["resource_type"]) == ("reserve_ip", "reserved_ip")
    assert action["resource_id"] == int(IPv4Address(address["ip"]))
    assert api.wait_for_action(action["id"])["status"] == "completed"


def test_reserved_for_a_droplet(api: Client) -> None:
    droplet = api.droplet()
    answer = api("POST", "/v2/reserved_ips", {"droplet_id": droplet["id"]}, 202)
    address, links = answer["reserved_ip"], answer["links"]
    assert (address["locked"], address["droplet"], address["region"]["slug"]) == (
        True,
        None,
        "nyc3",
    )
    assert links["droplets"] == [
        {"id": droplet["id"], "rel": "droplet", "href": f"{api.url}/v2/droplets/{droplet['id']}"}
    ]
    (link,) = links["actions"]
    assert (link["rel"], link["href"]) == ("assign_ip", f"{api.url}/v2/actions/{link['id']}")
    assert api.wait_for_action(link["id"])["status"] == "completed"
    droplet_json = wait_until_unlocked(api, address["ip"])["droplet"]
    assert droplet_json == api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]
    assert droplet_json["region"]["slug"] == "nyc3"


def test_the_droplet_lists_its_reserved_ip_after_its_own_address(api: Client) -> None:
    droplet = api.droplet()
    own = droplet["networks"]["v4"]
    ip = reserve(api, droplet_id=droplet["id"])["ip"]
    assert api.wait_until_unlocked(droplet["id"])["networks"]["v4"] == [
        *own,
        own[0] | {"ip_address": ip},
    ]
    run_action(api, ip, type="unassign")
    assert api.wait_until_unlocked(droplet["id"])["networks"]["v4"] == own


def test_a_droplet_takes_precedence_over_a_region(api: Client) -> None:
    droplet = api.droplet()
    assert reserve(api, droplet_id=droplet["id"], region="ams3")["region"]["slug"] == "nyc3"


def test_a_reserved_ip_moves_between_droplets(api: Client) -> None:
    one, two = api.droplet("one"), api.droplet("two")
    ip = reserve(api)["ip"]
    for droplet in (one, two, one):
        action = run_action(api, ip, type="assign", droplet_id=droplet["id"])
        assert (action["type"], action["status"], action["region_slug"]) == (
            "assign_ip",
            "completed",
            "nyc3",
        )
        assert (
            action["project_id"]
            == api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["project_id"]
        )
        assert assigned_droplet_id(api, ip) == droplet["id"]
    assert run_action(api, ip, type="unassign")["type"] == "unassign_ip"
    assert assigned_droplet_id(api, ip) is None
    types = [action["type"] for action in api("GET", f"/v2/reserved_ips/{ip}/actions")["actions"]]
    assert types == ["unassign_ip", "assign_ip", "assign_ip", "assign_ip", "reserve_ip"]
    assert api("GET", "/v2/actions")["actions"][0]["resource_id"] == int(IPv4Address(ip))


def test_a_reserved_ip_is_locked_during_an_action(
    config: CloudConfig, machines: MemoryMachines
) -> None:
    slow = config.model_copy(update={"times": Times(reserved_ip=ReservedIpTimes(assign_ip=3600))})
    with running(slow, machines, UNLIMITED) as api:
        one, two = api.droplet("one"), api.droplet("two")
        ip, other = reserve(api)["ip"], reserve(api)["ip"]
        api(
            "POST",
            f"/v2/reserved_ips/{ip}/actions",
            {"type": "assign", "droplet_id": one["id"]},
            201,
        )
        assert api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["locked"] is True
        for action in ({"type": "assign", "droplet_id": two["id"]}, {"type": "unassign"}):
            assert api.error_message("POST", f"/v2/reserved_ips/{ip}/actions", action) == LOCKED
        assert api.error_message("DELETE", f"/v2/reserved_ips/{ip}") == LOCKED
        refusal = api.error_message(
            "POST", f"/v2/reserved_ips/{other}/actions", {"type": "assign", "droplet_id": one["id"]}
        )
        assert refusal == "The Droplet already has a reserved IP."


def test_a_droplet_has_at_most_one_reserved_ip(api: Client) -> None:
    droplet = api.droplet()
    first, second = reserve(api, droplet_id=droplet["id"])["ip"], reserve(api)["ip"]
    for ip in (first, second):
        refusal = api.error_message(
            "POST",
            f"/v2/reserved_ips/{ip}/actions",
            {"type": "assign", "droplet_id": droplet["id"]},
        )
        assert refusal == "The Droplet already has a reserved IP."
    assert (
        api.error_message("POST", "/v2/reserved_ips", {"droplet_id": droplet["id"]})
        == "The Droplet already has a reserved IP."
    )


def test_a_reserved_ip_cannot_leave_its_region(api: Client) -> None:
    droplet = api.droplet(region="ams3")
    ip = reserve(api)["ip"]
    assert "same region" in api.error_message(
        "POST", f"/v2/reserved_ips/{ip}/actions", {"type": "assign", "droplet_id": droplet["id"]}
    )
    assert assigned_droplet_id(api, ip) is None


def test_a_locked_droplet_gets_no_reserved_ip(config: CloudConfig) -> None:
    machines = HeldMachines(config)
    with running(config, machines, UNLIMITED) as api:
        body = {"name": "one", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
        droplet = api("POST", "/v2/droplets", body, 202)["droplet"]
        assert (
            api.error_message("POST", "/v2/reserved_ips", {"droplet_id": droplet["id"]})
            == "Droplet already has a pending event."
        )
        machines.held = False
        api.wait_until_unlocked(droplet["id"])
        assert reserve(api, droplet_id=droplet["id"])["droplet"]["id"] == droplet["id"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "invalid region"),
        ({"region": "mars1"}, "invalid region"),
        ({"region": ""}, "invalid region"),
        ({"region": 7}, "region"),
        ({"droplet_id": 7}, "does not exist"),
        ({"droplet_id": "seven"}, "droplet_id"),
        (
            {"region": "nyc3", "project_id": "6f1f0b2c-9cf4-4b8f-8b0e-0f5f5f5f5f5f"},
            "does not exist",
        ),
    ],
)
def test_invalid_reservations(api: Client, body: dict[str, Any], words: str) -> None:
    assert words in api.error_message("POST", "/v2/reserved_ips", body)
    assert api("GET", "/v2/reserved_ips")["meta"]["total"] == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "type is required"),
        ({"type": "move"}, "type"),
        ({"type": "assign"}, "droplet_id is required"),
        ({"type": "assign", "droplet_id": None}, "droplet_id is required"),
        ({"type": "assign", "droplet_id": 7}, "does not exist"),
        ({"type": "unassign"}, "not assigned"),
    ],
)
def test_invalid_reserved_ip_actions(api: Client, body: dict[str, Any], words: str) -> None:
    ip = reserve(api)["ip"]
    assert words in api.error_message("POST", f"/v2/reserved_ips/{ip}/actions", body)
    assert api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["locked"] is False


def test_an_unknown_reserved_ip(api: Client) -> None:
    ip = reserve(api)["ip"]
    own = api("GET", f"/v2/reserved_ips/{ip}/actions")["actions"][0]["id"]
    droplet = api.droplet()
    foreign = api.run_action(droplet["id"], type="power_off")["id"]
    for path in (
        f"{ip}/actions/{foreign}",
        f"{ip}/actions/7",
        "198.18.255.254",
        "198.18.255.254/actions",
        f"198.18.255.254/actions/{own}",
        "x",
    ):
        api("GET", f"/v2/reserved_ips/{path}", expect=404)
    api("POST", "/v2/reserved_ips/198.18.255.254/actions", {"type": "unassign"}, 404)
    api("DELETE", "/v2/reserved_ips/198.18.255.254", expect=404)


def test_an_assigned_reserved_ip_can_be_deleted(api: Client) -> None:
    droplet = api.droplet()
    ip = reserve(api, droplet_id=droplet["id"])["ip"]
    project = api("GET", "/v2/projects/default")["project"]["id"]
    api("DELETE", f"/v2/reserved_ips/{ip}", expect=204)
    for path in (ip, f"{ip}/actions"):
        api("GET", f"/v2/reserved_ips/{path}", expect=404)
    urns = [
        resource["urn"] for resource in api("GET", f"/v2/projects/{project}/resources")["resources"]
    ]
    assert f"do:floatingip:{ip}" not in urns
    assert f"do:droplet:{droplet['id']}" in urns
    assert reserve(api, droplet_id=droplet["id"])["ip"] != ip


def test_a_reserved_ip_outlives_its_droplet(api: Client) -> None:
    one, two = api.droplet("one"), api.droplet("two")
    ip = reserve(api, droplet_id=one["id"])["ip"]
    api("DELETE", f"/v2/droplets/{one['id']}", expect=204)
    assert assigned_droplet_id(api, ip) is None
    assert run_action(api, ip, type="assign", droplet_id=two["id"])["status"] == "completed"
    assert assigned_droplet_id(api, ip) == two["id"]


def test_a_droplet_is_deleted_during_an_assignment(api: Client) -> None:
    one, two = api.droplet("one"), api.droplet("two")
    ip = reserve(api, droplet_id=one["id"])["ip"]
    started = api(
        "POST", f"/v2/reserved_ips/{ip}/actions", {"type": "assign", "droplet_id": two["id"]}, 201
    )["action"]
    api("DELETE", f"/v2/droplets/{two['id']}", expect=204)
    api.wait_for_action(started["id"])
    assert assigned_droplet_id(api, ip) in (one["id"], None)
    assert (
        run_action(
            api,
            ip,
            type="unassign" if assigned_droplet_id(api, ip) else "assign",
            droplet_id=one["id"],
        )["status"]
        == "completed"
    )


def test_a_reserved_ip_is_in_a_project(api: Client) -> None:
    project = api("POST", "/v2/projects", {"name": "edge", "purpose": "Web Application"}, 201)[
        "project"
    ]["id"]
    address = reserve(api, region="nyc3", project_id=project)
    urn = f"do:floatingip:{address['ip']}"
    assert address["project_id"] == project
    (resource,) = api("GET", f"/v2/projects/{project}/resources")["resources"]
    assert (resource["urn"], resource["links"]["self"]) == (
        urn,
        f"{api.url}/v2/reserved_ips/{address['ip']}",
    )
    answer = api(
        "POST",
        "/v2/projects/default/resources",
        {"resources": [f"do:reservedip:{address['ip']}", "do:reservedip:198.18.255.254"]},
    )
    assert [(resource["urn"], resource["status"]) for resource in answer["resources"]] == [
        (urn, "assigned"),
        ("do:floatingip:198.18.255.254", "not_found"),
    ]
    moved = api("GET", f"/v2/reserved_ips/{address['ip']}")["reserved_ip"]["project_id"]
    assert moved == api("GET", "/v2/projects/default")["project"]["id"]


def test_a_reserved_ip_is_in_the_project_of_its_droplet(api: Client) -> None:
    project = api("POST", "/v2/projects", {"name": "edge", "purpose": "Web Application"}, 201)[
        "project"
    ]["id"]
    path = f"/v2/projects/{project}/resources"
    droplet = api.droplet()
    urn = f"do:droplet:{droplet['id']}"
    ip = reserve(api, droplet_id=droplet["id"])["ip"]
    refusal = api.error_message("POST", path, {"resources": [f"do:reservedip:{ip}"]}, 412)
    assert refusal.startswith("Cannot move a Reserved IP with an associated Droplet.")
    api("POST", path, {"resources": [urn]})
    assert wait_until_unlocked(api, ip)["project_id"] == project
    api("POST", path, {"resources": [f"do:reservedip:{ip}", urn]})
    run_action(api, ip, type="unassign")
    api("POST", "/v2/projects/default/resources", {"resources": [f"do:reservedip:{ip}"]})
    assert wait_until_unlocked(api, ip)["project_id"] != project
    run_action(api, ip, type="assign", droplet_id=droplet["id"])
    assert wait_until_unlocked(api, ip)["project_id"] == project


def test_the_account_limits_reserved_ips(config: CloudConfig, machines: MemoryMachines) -> None:
    accounts.create_or_update(config, "small", {"reserved_ip_limit": 2})
    with running(config, machines, UNLIMITED) as api:
        small = Client(
            api.url,
            next(
                account.token
                for account in accounts.Accounts(config).all()
                if account.name == "small"
            ),
        )
        try:
            assert small("GET", "/v2/account")["account"]["reserved_ip_limit"] == 2
            first, _ = reserve(small), reserve(small)
            assert "exceed your reserved IP limit" in small.error_message(
                "POST", "/v2/reserved_ips", {"region": "nyc3"}
            )
            small("DELETE", f"/v2/reserved_ips/{first['ip']}", expect=204)
            reserve(small)
            own = reserve(api)["ip"]
            small("GET", f"/v2/reserved_ips/{own}", expect=404)
            taken = {
                address["ip"]
                for client in (api, small)
                for address in client("GET", "/v2/reserved_ips")["reserved_ips"]
            }
            assert len(taken) == 3
            foreign = api.droplet()["id"]
            assert "does not exist" in small.error_message(
                "POST",
                f"/v2/reserved_ips/{min(taken - {own})}/actions",
                {"type": "assign", "droplet_id": foreign},
            )
        finally:
            small.http.close()


def test_a_reserved_address_is_not_allocated_again(config: CloudConfig) -> None:
    """Addresses are allocated in turn; this test wraps around to the first ones."""
    with running(config, MemoryMachines(config), UNLIMITED) as api:
        reserved = [reserve(api)["ip"] for _ in range(2)]
    last = int(config.public_network.broadcast_address) - int(config.first_assignable_address) - 1
    database = Database(config.directory / "cloud.db")
    with database.transaction():
        while database.store_for(DEFAULT_ACCOUNT).next_id("address public", 0) < last:
            pass
    database.close()
    with running(config, MemoryMachines(config), UNLIMITED) as api:
        (public,) = [
            network["ip_address"]
            for network in api.droplet()["networks"]["v4"]
            if network["type"] == "public"
        ]
        assert public == str(config.first_assignable_address + 2)
        assert reserved == [
            str(config.first_assignable_address),
            str(config.first_assignable_address + 1),
        ]


def test_the_network_follows_before_the_action_ends(config: CloudConfig) -> None:
    machines = WatchedMachines(config)

    def pointed() -> dict[str, str | None]:
        return {
            droplet.name: str(droplet.reserved_ip)
            for droplet in machines.network_state.droplets
            if droplet.reserved_ip
        }

    with running(config, machines, UNLIMITED) as api:
        one, two = api.droplet("one"), api.droplet("two")
        ip = reserve(api, droplet_id=one["id"])["ip"]
        assert pointed() == {"one": ip}
        run_action(api, ip, type="assign", droplet_id=two["id"])
        assert pointed() == {"two": ip}
        run_action(api, ip, type="unassign")
        assert pointed() == {}
        run_action(api, ip, type="assign", droplet_id=two["id"])
        api("DELETE", f"/v2/droplets/{two['id']}", expect=204)
        assert pointed() == {}
        run_action(api, ip, type="assign", droplet_id=one["id"])
        api("DELETE", f"/v2/reserved_ips/{ip}", expect=204)
        assert pointed() == {}


def test_a_failed_assignment_is_undone(config: CloudConfig) -> None:
    machines = WatchedMachines(config)
    with running(config, machines, UNLIMITED) as api:
        one, two = api.droplet("one"), api.droplet("two")
        ip = reserve(api, droplet_id=one["id"])["ip"]
        machines.broken = True
        assert run_action(api, ip, type="assign", droplet_id=two["id"])["status"] == "errored"
        assert assigned_droplet_id(api, ip) == one["id"]
        machines.broken = False
        assert run_action(api, ip, type="assign", droplet_id=two["id"])["status"] == "completed"
        assert assigned_droplet_id(api, ip) == two["id"]


def test_an_assignment_is_finished_after_a_crash(config: CloudConfig) -> None:
    slow = config.model_copy(update={"times": Times(reserved_ip=ReservedIpTimes(assign_ip=3600))})
    with running(config, MemoryMachines(config), UNLIMITED) as api:
        one, two = api.droplet("one"), api.droplet("two")
        ip = reserve(api, droplet_id=one["id"])["ip"]
    with running(slow, WatchedMachines(config), UNLIMITED) as api:
        started = api(
            "POST",
            f"/v2/reserved_ips/{ip}/actions",
            {"type": "assign", "droplet_id": two["id"]},
            201,
        )["action"]
    machines = WatchedMachines(config)
    with running(slow, machines, UNLIMITED) as api:
        assert api("GET", f"/v2/actions/{started['id']}")["action"]["status"] == "in-progress"
        assert api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["locked"] is True
    with running(config, machines, UNLIMITED) as api:
        assert api.wait_for_action(started["id"])["status"] == "completed"
        assert assigned_droplet_id(api, ip) == two["id"]
        assert {
            droplet.id: str(droplet.reserved_ip)
            for droplet in machines.network_state.droplets
            if droplet.reserved_ip
        } == {two["id"]: ip}
