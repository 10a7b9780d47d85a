"""The stand-in's reserved IPs against the rehearsal's own API, with memory machines."""

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


def seen(api: Client, ip: str) -> dict[str, Any]:
    """The address, which must not be locked: the stand-in waits until its moves are over."""
    address: dict[str, Any] = api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]
    assert address["locked"] is False
    return address


def test_created_for_a_droplet_moved_let_go_and_deleted(api: Client, driver: Driver) -> None:
    one, two = api.droplet("one")["id"], api.droplet("two")["id"]
    ip, state = driver.create(RESERVED, {"region": "nyc3", "dropletId": one})
    assert state == {
        "id": ip,
        "region": "nyc3",
        "dropletId": one,
        "ipAddress": ip,
        "reservedIpUrn": f"do:reservedip:{ip}",
    }
    assert seen(api, ip)["droplet"]["id"] == one

    moved = {"region": "nyc3", "dropletId": two}
    difference = driver.diff(RESERVED, state, moved)
    assert (difference.keys, difference.replaces) == (["dropletId"], [])
    state = driver.update(RESERVED, ip, state, moved)
    assert (state["dropletId"], seen(api, ip)["droplet"]["id"]) == (two, two)

    loose = {"region": "nyc3"}
    assert driver.diff(RESERVED, state, loose).keys == ["dropletId"]
    state = driver.update(RESERVED, ip, state, loose)
    assert seen(api, ip)["droplet"] is None
    assert not state.get("dropletId")
    assert driver.diff(RESERVED, state, loose).keys == []

    driver.delete(RESERVED, ip, state)
    api("GET", f"/v2/reserved_ips/{ip}", expect=404)


def test_deleted_while_assigned(api: Client, driver: Driver) -> None:
    droplet = api.droplet()["id"]
    ip, state = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    driver.delete(RESERVED, ip, state)
    api("GET", f"/v2/reserved_ips/{ip}", expect=404)


def test_deleted_although_it_was_let_go_of_behind_the_engines_back(
    api: Client, driver: Driver
) -> None:
    droplet = api.droplet()["id"]
    ip, state = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    api("DELETE", f"/v2/droplets/{droplet}", expect=204)
    driver.delete(RESERVED, ip, state)
    api("GET", f"/v2/reserved_ips/{ip}", expect=404)


def test_another_region_is_another_address(api: Client, driver: Driver) -> None:
    _, state = driver.create(RESERVED, {"region": "nyc3"})
    assert driver.diff(RESERVED, state, {"region": "ams3"}).replaces == ["region"]
    assert driver.diff(RESERVED, state, {"region": "NYC3"}).keys == []


def test_a_region_that_is_not_there(driver: Driver) -> None:
    with pytest.raises(PluginError, match=r"Error creating reserved IP: .*422.*invalid region"):
        driver.create(RESERVED, {"region": "mars1"})


def test_imported_and_refreshed(api: Client, driver: Driver) -> None:
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


def test_an_assignment_of_its_own(api: Client, driver: Driver) -> None:
    one, two = api.droplet("one")["id"], api.droplet("two")["id"]
    ip, _ = driver.create(RESERVED, {"region": "nyc3"})
    id, state = driver.create(ASSIGNMENT, {"ipAddress": ip, "dropletId": one})
    assert id.startswith(f"{one}-{ip}-")
    assert seen(api, ip)["droplet"]["id"] == one
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
    assert seen(api, ip)["droplet"]["id"] == two, "who was replaced takes nothing from the other"
    driver.delete(ASSIGNMENT, other, moved)
    assert seen(api, ip)["droplet"] is None


def test_nothing_is_made_in_a_preview(api: Client, driver: Driver) -> None:
    driver.create(RESERVED, {"region": "nyc3"}, preview=True)
    assert api("GET", "/v2/reserved_ips")["meta"]["total"] == 0


def test_it_waits_for_a_droplet_that_is_busy(api: Client, driver: Driver) -> None:
    droplet = api.droplet()["id"]
    begun = api("POST", f"/v2/droplets/{droplet}/actions", {"type": "power_off"}, 201)["action"]
    ip, _ = driver.create(RESERVED, {"region": "nyc3", "dropletId": droplet})
    assert api("GET", f"/v2/actions/{begun['id']}")["action"]["status"] == "completed"
    assert seen(api, ip)["droplet"]["id"] == droplet
