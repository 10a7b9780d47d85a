"""Droplet actions."""

from datetime import datetime
from typing import Any, get_args

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.resources.droplet_actions.schemas import ActionType
from rehearsal.times import DropletTimes, Times
from tests.rehearsal.support.client import UNLIMITED, Client, running, until
from tests.rehearsal.support.machines import StuckMachines

NEVER = 3600.0
"""Longer than any test: such a change is in progress for the whole test."""


@pytest.mark.parametrize(
    ("actions", "status"),
    [
        (["power_off"], "off"),
        (["shutdown"], "off"),
        (["reboot"], "active"),
        (["power_cycle"], "active"),
        (["shutdown", "power_on"], "active"),
    ],
)
def test_power(api: Client, actions: list[str], status: str) -> None:
    id = api.droplet()["id"]
    for action in actions:
        ended = api.run_action(id, type=action)
        assert (ended["status"], ended["type"], ended["resource_id"]) == ("completed", action, id)
    assert api("GET", f"/v2/droplets/{id}")["droplet"]["status"] == status


def test_actions_are_listed_newest_first(api: Client) -> None:
    id = api.droplet()["id"]
    action = api.run_action(id, type="power_off")
    actions = api("GET", f"/v2/droplets/{id}/actions")["actions"]
    assert [listed["type"] for listed in actions] == ["power_off", "create"]
    assert api("GET", f"/v2/droplets/{id}/actions/{action['id']}")["action"] == actions[0]
    other = api.droplet("two")["id"]
    api("GET", f"/v2/droplets/{other}/actions/{action['id']}", expect=404)


def test_a_droplet_that_is_on_may_be_powered_on(api: Client) -> None:
    """Ansible's module powers on each droplet that it creates."""
    id = api.droplet()["id"]
    assert api.run_action(id, type="power_on")["status"] == "completed"
    assert api.wait_until_unlocked(id)["status"] == "active"


def test_power_in_the_wrong_state(api: Client) -> None:
    id = api.droplet()["id"]
    path = f"/v2/droplets/{id}/actions"
    resize = {"type": "resize", "size": "s-2vcpu-4gb"}
    assert (
        api.error_message("POST", path, resize)
        == "Droplet is currently on. Please power it off to run this event."
    )
    api.run_action(id, type="power_off")
    for action in ("power_off", "shutdown", "reboot", "power_cycle"):
        assert (
            api.error_message("POST", path, {"type": action}) == "Droplet is already powered off."
        )


def test_resize_with_and_without_disk(api: Client) -> None:
    id = api.droplet()["id"]
    api.run_action(id, type="power_off")
    api.run_action(id, type="resize", size="s-1vcpu-2gb", disk=False)
    resized = api("GET", f"/v2/droplets/{id}")["droplet"]
    assert (resized["size_slug"], resized["memory"], resized["disk"]) == ("s-1vcpu-2gb", 2048, 25)
    api.run_action(id, type="resize", size="s-1vcpu-2gb", disk=True)
    assert api("GET", f"/v2/droplets/{id}")["droplet"]["disk"] == 50
    smaller = api.error_message(
        "POST", f"/v2/droplets/{id}/actions", {"type": "resize", "size": "s-1vcpu-1gb"}
    )
    assert smaller == "This size is not available because it has a smaller disk."


def test_features(api: Client) -> None:
    id = api.droplet()["id"]
    api.run_action(id, type="enable_ipv6")
    api.run_action(id, type="enable_backups", backup_policy={"plan": "daily", "hour": 8})
    droplet = api("GET", f"/v2/droplets/{id}")["droplet"]
    assert {"ipv6", "backups"} <= set(droplet["features"])
    assert droplet["networks"]["v6"][0]["type"] == "public"
    assert droplet["next_backup_window"]["start"].endswith("T08:00:00Z")
    api.run_action(id, type="disable_backups")
    droplet = api("GET", f"/v2/droplets/{id}")["droplet"]
    assert ("backups" in droplet["features"], droplet["next_backup_window"]) == (False, None)


def test_rename_and_rebuild(api: Client) -> None:
    snapshot = api.snapshot()
    id = api.droplet()["id"]
    api.run_action(id, type="rename", name="other.example")
    api.run_action(id, type="rebuild", image=snapshot["id"])
    droplet = api("GET", f"/v2/droplets/{id}")["droplet"]
    assert (droplet["name"], droplet["image"]["id"], droplet["status"]) == (
        "other.example",
        snapshot["id"],
        "active",
    )


def test_a_droplet_is_rebuilt_from_an_id_a_slug_or_an_id_as_text(api: Client) -> None:
    id, stock = api.droplet()["id"], api("GET", "/v2/images/debian-12-x64")["image"]["id"]
    for image in ("debian-12-x64", stock, str(stock)):
        assert api.run_action(id, type="rebuild", image=image)["status"] == "completed"
        assert api("GET", f"/v2/droplets/{id}")["droplet"]["image"]["slug"] == "debian-12-x64"


def test_a_droplet_is_restored_from_its_own_snapshot_only(api: Client) -> None:
    id, other = api.droplet()["id"], api.snapshot()["id"]
    api.run_action(id, type="snapshot", name="mine")
    [own] = api("GET", f"/v2/droplets/{id}/snapshots")["snapshots"]
    assert api.run_action(id, type="restore", image=own["id"])["status"] == "completed"
    assert api("GET", f"/v2/droplets/{id}")["droplet"]["image"]["id"] == own["id"]
    for image in (
        other,
        api("GET", "/v2/images/debian-12-x64")["image"]["id"],
        "debian-12-x64",
        None,
    ):
        refused = api.error_message(
            "POST", f"/v2/droplets/{id}/actions", {"type": "restore", "image": image}
        )
        assert refused == "You specified an invalid image for Droplet restore."


def test_a_backup_policy_may_have_read_only_fields(api: Client) -> None:
    id = api.droplet()["id"]
    api.run_action(
        id,
        type="enable_backups",
        backup_policy={"plan": "daily", "hour": 8, "weekday": None, "retention_period_days": 7},
    )
    api.run_action(
        id, type="change_backup_policy", backup_policy={"plan": "daily", "hour": 4, "weekday": ""}
    )
    api.run_action(
        id,
        type="change_backup_policy",
        backup_policy={"plan": "weekly", "weekday": "TUE", "hour": 20},
    )
    start = api("GET", f"/v2/droplets/{id}")["droplet"]["next_backup_window"]["start"]
    assert (datetime.fromisoformat(start).isoweekday(), start[11:]) == (2, "20:00:00Z")


def test_password_reset(api: Client) -> None:
    assert api.run_action(api.droplet()["id"], type="password_reset")["status"] == "completed"


def test_a_locked_droplet_cannot_be_changed(config: CloudConfig) -> None:
    slow = config.model_copy(update={"times": Times(droplet=DropletTimes(rename=NEVER))})
    with running(slow, MemoryMachines(slow), UNLIMITED) as api:
        droplet = api.droplet(tags=["busy"])
        path = f"/v2/droplets/{droplet['id']}"
        api("POST", f"{path}/actions", {"type": "rename", "name": "two"}, 201)
        bodies = [{"type": type} for type in get_args(ActionType)]
        writes = [("POST", f"{path}/actions", body) for body in bodies] + [
            ("POST", "/v2/droplets/actions?tag_name=busy", {"type": "power_off"}),
            ("DELETE", path, None),
            ("DELETE", "/v2/droplets?tag_name=busy", None),
        ]
        for method, path, body in writes:
            assert api.error_message(method, path, body) == "Droplet already has a pending event."


@pytest.mark.parametrize(
    "action",
    [
        {"type": "rename", "name": "under_score"},
        {"type": "rename"},
        {"type": "rename", "name": "x" * 256},
        {"type": "resize"},
        {"type": "restore"},
        {"type": "password"},
        {"type": "change_backup_policy"},
        {"type": "enable_backups", "backup_policy": {"hour": 3}},
        {"type": "enable_backups", "backup_policy": {"weekday": "Sunday"}},
        {"type": "rebuild", "image": "debian-99-x64"},
        {"type": "rebuild"},
        {"type": "change_backup_policy", "backup_policy": {"plan": "daily"}},
        {"type": "change_kernel", "kernel": 1},
        {"type": "enable_backups", "backup_policy": {"plan": "hourly"}},
        {},
    ],
)
def test_invalid_actions(api: Client, action: dict[str, Any]) -> None:
    id = api.droplet()["id"]
    api.error_message("POST", f"/v2/droplets/{id}/actions", action)
    assert not api("GET", f"/v2/droplets/{id}")["droplet"]["locked"]


def test_a_snapshot_is_listed_only_after_its_action(
    config: CloudConfig,
) -> None:
    class Machines(MemoryMachines):
        taken = 0

        async def snapshot(self, droplet_id: int, image: str) -> int:
            self.taken = await super().snapshot(droplet_id, image)
            return self.taken

    machines = Machines(config)
    slow = config.model_copy(
        update={"times": Times(least=0.02, droplet=DropletTimes(snapshot=NEVER))}
    )
    with running(slow, machines, UNLIMITED) as api:
        id = api.droplet()["id"]
        api("POST", f"/v2/droplets/{id}/actions", {"type": "snapshot", "name": "base.1"}, 201)
        until(lambda: machines.taken)
        assert api("GET", f"/v2/droplets/{id}/snapshots")["snapshots"] == []
        assert api("GET", f"/v2/droplets/{id}")["droplet"]["snapshot_ids"] == []


def test_the_creation_time_of_a_snapshot_is_the_start_of_its_action(api: Client) -> None:
    droplet = api.droplet()
    action = api.run_action(droplet["id"], type="snapshot", name="base.1")
    [listed] = api("GET", f"/v2/droplets/{droplet['id']}/snapshots?per_page=200")["snapshots"]
    assert (listed["name"], listed["created_at"]) == ("base.1", action["started_at"])
    snapshot = api("GET", f"/v2/snapshots/{listed['id']}")["snapshot"]
    assert (snapshot["id"], snapshot["resource_id"]) == (str(listed["id"]), str(droplet["id"]))
    assert (snapshot["regions"], snapshot["min_disk_size"], snapshot["size_gigabytes"]) == (
        ["nyc3"],
        25,
        1.5,
    )
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["snapshot_ids"] == [listed["id"]]


def test_actions_on_all_droplets_with_a_tag(api: Client) -> None:
    ids = {api.droplet(name, tags=["blue"])["id"] for name in ("one", "two")}
    other = api.droplet("three")["id"]
    started = api("POST", "/v2/droplets/actions?tag_name=blue", {"type": "power_off"}, 201)[
        "actions"
    ]
    assert {api.wait_for_action(action["id"])["resource_id"] for action in started} == ids
    statuses = {
        droplet["id"]: droplet["status"] for droplet in api("GET", "/v2/droplets")["droplets"]
    }
    assert statuses == dict.fromkeys(ids, "off") | {other: "active"}
    api.error_message("POST", "/v2/droplets/actions?tag_name=blue", {"type": "power_off"})
    api.error_message(
        "POST", "/v2/droplets/actions?tag_name=blue", {"type": "rename", "name": "same"}
    )


def test_an_action_that_fails_leaves_the_droplet_as_it_was(config: CloudConfig) -> None:
    with running(config, StuckMachines(config)) as api:
        id = api.droplet()["id"]
        failed = api.run_action(id, type="shutdown")
        assert (failed["status"], bool(failed["completed_at"])) == ("errored", True)
        assert api.wait_until_unlocked(id)["status"] == "active"
        assert api.run_action(id, type="reboot")["status"] == "completed"
