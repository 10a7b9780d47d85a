"""Reserved IPs of the DigitalOcean emulator against the API of the rehearsal cloud."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.limits import RateLimits
from rehearsal.machines.memory import MemoryMachines
from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PluginError
from tests.rehearsal.plugins.support.driver import Driver
from tests.rehearsal.support.client import Client, running

RESERVED = "digitalocean:index/reservedIp:ReservedIp"
ASSIGNMENT = "digitalocean:index/reservedIpAssignment:ReservedIpAssignment"
UNLIMITED = RateLimits(per_hour=1_000_000, per_minute=1_000_000, key_lists_per_minute=1_000_000)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    for name in (
        "DIGITALOCEAN_TOKEN",
        "DIGITALOCEAN_ACCESS_TOKEN",
        "DIGITALOCEAN_API_URL",
        "DIGITALOCEAN_HTTP_RETRY_MAX",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("rehearsal.plugins.deadline.POLL_INTERVAL_S", 0.01)
    config = CloudConfig(
        name="plugintest",
        index=15,
        machines="memory",
        port=1,
        token="t" * 64,
        spaces_key="key",
        spaces_secret="secret",
    )
    config.save()
    with running(config, MemoryMachines(config), UNLIMITED) as client:
        yield client


@pytest.fixture
def driver(api: Client) -> Driver:
    return Driver(PACKAGE, {"token": "t" * 64, "apiEndpoint": api.url})


def read_unlocked(api: Client, ip: str) -> dict[str, Any]:
    """Return the reserved IP, which must not be locked: the emulator waits for its actions."""
    address: dict[str, Any] = api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]
    assert address["locked"] is False
    return address


def test_reserved_ip_lifecycle(api: Client, driver: Driver) -> None:
    one, two = api.droplet("one")["id"], api.droplet("two")["id"]
    ip, state = driver.create(RESERVED, {"region": "nyc3", "dropletId": one})
    assert state == {
        "id": ip,
        "region": "nyc3",
        "dropletId": one,
        "ipAddress": ip,
        "reservedIpUrn": f"do:reservedip:{ip}",
    }
    assert read_unlocked(api, ip)["droplet"]["id"] == one

    moved = {"region": "nyc3", "dropletId": two}
    difference = driver.diff(RESERVED, state, moved)
    assert (difference.keys, difference.replaces) == (["dropletId"], [])
    state = driver.update(RESERVED, ip, state, moved)
    assert (state["dropletId"], read_unlocked(api, ip)["droplet"]["id"]) == (two, two)

    loose = {"region": "nyc3"}
    assert driver.diff(RESERVED, state, loose).keys == ["dropletId"]
    state = driver.update(RESERVED, ip, state, loose)
    assert read_unlocked(api, ip)["droplet"] is None
    assert not state.get("dropletId")
    assert driver.diff(RESERVED, state, loose).keys == []

    driver.delete(RESERVED, ip, state)
    api("GET", f"/v2/reserved_ips/{ip}", expect=404)


def test_delete_unassigns_first(api: Client, driver: Driver) -> None:
    droplet = api.droplet()["id"]
    ip, state = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    driver.delete(RESERVED, ip, state)
    api("GET", f"/v2/reserved_ips/{ip}", expect=404)


def test_delete_succeeds_for_an_address_unassigned_outside_of_pulumi(
    api: Client, driver: Driver
) -> None:
    droplet = api.droplet()["id"]
    ip, state = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    api("DELETE", f"/v2/droplets/{droplet}", expect=204)
    driver.delete(RESERVED, ip, state)
    api("GET", f"/v2/reserved_ips/{ip}", expect=404)


def test_a_changed_region_replaces(api: Client, driver: Driver) -> None:
    _, state = driver.create(RESERVED, {"region": "nyc3"})
    assert driver.diff(RESERVED, state, {"region": "ams3"}).replaces == ["region"]
    assert driver.diff(RESERVED, state, {"region": "NYC3"}).keys == []


def test_an_unknown_region_is_reported(driver: Driver) -> None:
    with pytest.raises(PluginError, match=r"Error creating reserved IP: .*422.*invalid region"):
        driver.create(RESERVED, {"region": "mars1"})


def test_import_and_refresh(api: Client, driver: Driver) -> None:
    droplet = api.droplet()["id"]
    ip, made = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    id, state, inputs = driver.read(RESERVED, ip)
    assert (id, state) == (ip, made)
    assert inputs == {"region": "nyc3", "dropletId": droplet, "__defaults": []}

    api("DELETE", f"/v2/droplets/{droplet}", expect=204)
    id, state, inputs = driver.read(RESERVED, ip, made, {"region": "nyc3", "dropletId": droplet})
    assert id == ip
    assert not state.get("dropletId")
    assert not inputs.get("dropletId")

    api("DELETE", f"/v2/reserved_ips/{ip}", expect=204)
    assert driver.read(RESERVED, ip, made, inputs)[0] == ""


def test_assignment_lifecycle(api: Client, driver: Driver) -> None:
    one, two = api.droplet("one")["id"], api.droplet("two")["id"]
    ip, _ = driver.create(RESERVED, {"region": "nyc3"})
    id, state = driver.create(ASSIGNMENT, {"ipAddress": ip, "dropletId": one})
    assert id.startswith(f"{one}-{ip}-")
    assert read_unlocked(api, ip)["droplet"]["id"] == one
    assert driver.read(ASSIGNMENT, id, state, {"ipAddress": ip, "dropletId": one})[:2] == (
        id,
        state,
    )
    assert driver.diff(ASSIGNMENT, state, {"ipAddress": ip, "dropletId": two}).replaces == [
        "dropletId"
    ]

    other, moved = driver.create(ASSIGNMENT, {"ipAddress": ip, "dropletId": two})
    assert driver.read(ASSIGNMENT, id, state, {"ipAddress": ip, "dropletId": one})[0] == ""
    driver.delete(ASSIGNMENT, id, state)
    assert read_unlocked(api, ip)["droplet"]["id"] == two, (
        "deleting the replaced assignment must not unassign the new one"
    )
    driver.delete(ASSIGNMENT, other, moved)
    assert read_unlocked(api, ip)["droplet"] is None


def test_a_preview_creates_nothing(api: Client, driver: Driver) -> None:
    driver.create(RESERVED, {"region": "nyc3"}, preview=True)
    assert api("GET", "/v2/reserved_ips")["meta"]["total"] == 0


def test_assign_waits_for_running_actions_of_the_droplet(api: Client, driver: Driver) -> None:
    droplet = api.droplet()["id"]
    action = api("POST", f"/v2/droplets/{droplet}/actions", {"type": "power_off"}, 201)["action"]
    ip, _ = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    assert api("GET", f"/v2/actions/{action['id']}")["action"]["status"] == "completed"
    assert read_unlocked(api, ip)["droplet"]["id"] == droplet
