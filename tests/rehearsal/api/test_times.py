"""Durations of changes: the times file, and its effect, also across restarts."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rehearsal import times
from rehearsal.api.worker import Worker
from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.times import DEFAULT_MINIMUM_S, DropletTimes, Times, TimesError
from rehearsal.topology.protocol import MachineError
from tests.rehearsal.support.client import Client, running
from tests.rehearsal.support.machines import BrokenMachines

BODY = {"name": "one", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
NEVER = 3600.0
"""Longer than any test: such a change is in progress for the whole test."""


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _age(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def test_a_times_file_overrides_the_minimum(tmp_path: Path) -> None:
    file = tmp_path / "times.toml"
    file.write_text("least = 1\n[droplet]\ncreate = 30\n[load_balancer]\ncreate = 0.5\n")
    read = times.load_times(str(file))
    assert (
        read.minimum_seconds("droplet", "create"),
        read.minimum_seconds("load_balancer", "create"),
    ) == (30, 0.5)
    assert (
        read.minimum_seconds("droplet", "rename"),
        read.minimum_seconds("droplet", "destroy"),
    ) == (1, 0)


def test_visible_changes_have_a_default_minimum() -> None:
    assert {
        Times().minimum_seconds(*change)
        for change in (("droplet", "create"), ("image", "transfer"), ("load_balancer", "create"))
    } == {DEFAULT_MINIMUM_S}


def test_the_real_times_have_every_change() -> None:
    real = times.load_times("real")
    for table in (real.droplet, real.image, real.reserved_ip, real.load_balancer, real.certificate):
        assert table.model_fields_set == set(type(table).model_fields)
    assert real.minimum_seconds("droplet", "create") > 10 * DEFAULT_MINIMUM_S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[droplet]\ncreate = "fast"', ["droplet.create", "'fast'", "seconds", "0 to 86400"]),
        ("[droplet]\ncreate = true", ["droplet.create", "True", "seconds"]),
        ("[image]\ntransfer = -1", ["image.transfer", "-1", "0 to 86400"]),
        ("[image]\ntransfer = nan", ["image.transfer", "nan", "0 to 86400"]),
        ("least = 1e9", ["least", "1000000000.0", "0 to 86400"]),
        ("[droplet]\ncreat = 1", ["droplet.creat = 1", "create, destroy"]),
        ("[volume]\ncreate = 1", ["volume", "load_balancer"]),
        ("droplet = 5", ["droplet = 5", "[droplet]"]),
        ("[droplet\n", ["not TOML", "real-times.toml"]),
        ("least = -1\n[droplet]\nrename = 'x'", ["least = -1", "droplet.rename = 'x'"]),
    ],
)
def test_an_invalid_times_file_is_reported_with_key_value_and_remedy(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    file = tmp_path / "times.toml"
    file.write_text(text)
    with pytest.raises(TimesError) as error:
        times.load_times(str(file))
    assert all(word in str(error.value) for word in [str(file), *expected]), str(error.value)


def test_a_missing_times_file(tmp_path: Path) -> None:
    with pytest.raises(
        TimesError, match=r"nothing\.toml cannot be read: No such file.*--times real"
    ):
        times.load_times(str(tmp_path / "nothing.toml"))


def test_the_remaining_time_counts_from_the_start() -> None:
    slow = Times(droplet=DropletTimes(create=100))
    assert 98 <= slow.remaining_seconds("droplet", "create", _ago(0)) <= 100
    assert 58 <= slow.remaining_seconds("droplet", "create", _ago(40)) <= 62
    assert slow.remaining_seconds("droplet", "create", _ago(102)) == 0
    assert slow.remaining_seconds("droplet", "create", _ago(-50)) == 100, (
        "a clock that is set back makes no change longer"
    )


def test_a_failing_change_takes_the_minimum_time_too() -> None:
    async def work() -> None:
        async with Times(least=0.3).enforce_minimum("droplet", "create", _ago(0)):
            raise MachineError("no disk left")

    start = time.monotonic()
    with pytest.raises(MachineError):
        asyncio.run(work())
    assert time.monotonic() - start >= 0.3


def test_the_times_file_has_exactly_the_registered_actions(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: set[tuple[str, str]] = set()
    monkeypatch.setattr(
        Worker,
        "register",
        lambda self, resource, change, handler: registered.add((resource, change)),
    )
    with running(config, MemoryMachines(config)):
        assert ("droplet", "create") in registered
    tables = {
        resource: getattr(Times(), resource) for resource in ("droplet", "image", "reserved_ip")
    }
    assert registered == {
        (resource, change)
        for resource, table in tables.items()
        for change in type(table).model_fields
    }


def test_a_change_is_in_progress_at_first(config: CloudConfig) -> None:
    with running(
        config.model_copy(update={"times": Times(least=NEVER)}), MemoryMachines(config)
    ) as api:
        created = api("POST", "/v2/droplets", BODY, 202)
        id = created["droplet"]["id"]
        droplet = api("GET", f"/v2/droplets/{id}")["droplet"]
        action = api("GET", f"/v2/actions/{created['links']['actions'][0]['id']}")["action"]
        assert (droplet["status"], droplet["locked"]) == ("new", True)
        assert (action["status"], action["completed_at"]) == ("in-progress", None)


@pytest.mark.parametrize("machines", [MemoryMachines, BrokenMachines])
def test_an_action_takes_the_minimum_time_between_its_timestamps(
    config: CloudConfig, machines: type[MemoryMachines]
) -> None:
    slow = config.model_copy(update={"times": Times(droplet=DropletTimes(create=2))})
    with running(slow, machines(config)) as api:
        action = api.wait_for_action(
            api("POST", "/v2/droplets", BODY, 202)["links"]["actions"][0]["id"]
        )
    assert action["status"] == ("errored" if machines is BrokenMachines else "completed")
    assert _age(action["started_at"], action["completed_at"]) >= 2


def test_a_restart_neither_shortens_nor_doubles_a_change(config: CloudConfig) -> None:
    def taking(seconds: float) -> CloudConfig:
        return config.model_copy(update={"times": Times(droplet=DropletTimes(create=seconds))})

    with running(taking(NEVER), MemoryMachines(config)) as api:
        id, action_id = _create(api)
    with running(taking(NEVER), MemoryMachines(config)) as api:
        assert api("GET", f"/v2/droplets/{id}")["droplet"]["status"] == "new"
        began = api("GET", f"/v2/actions/{action_id}")["action"]["started_at"]
    with running(taking(3), MemoryMachines(config)) as api:
        action = api.wait_for_action(action_id)
    assert action["started_at"] == began
    assert _age(began, action["completed_at"]) >= 3


def _create(api: Client) -> tuple[int, int]:
    created = api("POST", "/v2/droplets", BODY, 202)
    return created["droplet"]["id"], created["links"]["actions"][0]["id"]


def test_no_action_ends_before_its_start_when_the_clock_is_set_back(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = config.model_copy(update={"times": Times(droplet=DropletTimes(create=NEVER))})
    with running(never, MemoryMachines(config)) as api:
        _, action_id = _create(api)
    monkeypatch.setattr("rehearsal.api.worker.now", lambda: _ago(3600))
    with running(config, MemoryMachines(config)) as api:
        action = api.wait_for_action(action_id)
    assert action["started_at"] == action["completed_at"]
