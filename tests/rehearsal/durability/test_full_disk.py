"""A full disk: requests fail, acknowledged resources stay, and with free space all works again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.support.served import (
    ApiClient,
    create_config,
    inconsistencies,
    serving,
    wait_until_idle,
)

SPEC = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Mount a file system of 4 MiB as the state directory."""
    directory = tmp_path / "small"
    directory.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "slipway-test", str(directory)], check=True
    )
    try:
        monkeypatch.setenv("SLIPWAY_STATE", str(directory))
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def _fill(directory: Path) -> Path:
    """Write a file until the disk is full."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(512))
        except OSError:
            return filler


def test_a_full_disk_loses_no_acknowledged_droplet(small_disk: Path) -> None:
    config = create_config(small_disk)
    acknowledged = set()
    with serving(config), ApiClient(config) as api:
        status, created = api("POST", "/v2/droplets", {"name": "before", **SPEC})
        assert status == 202
        acknowledged.add(created["droplet"]["id"])
        filler = _fill(small_disk)
        responses = [
            api(
                "POST", "/v2/droplets", {"name": f"full{number}", "user_data": "x" * 60_000, **SPEC}
            )
            for number in range(20)
        ]
        acknowledged |= {body["droplet"]["id"] for status, body in responses if status == 202}
        errors = [
            (status, body["id"], body["message"]) for status, body in responses if status != 202
        ]
        assert errors, "the disk was not full"
        assert {(status, id) for status, id, _ in errors} == {(500, "server_error")}
        assert all("full" in message for *_, message in errors)
        assert {droplet["id"] for droplet in api.all("droplets")} == acknowledged, (
            "a failed request has created a droplet"
        )
    # The API was killed while the disk was full; start it again.
    filler.unlink()
    with serving(config), ApiClient(config) as api:
        droplets = wait_until_idle(api)
        assert {droplet["id"] for droplet in droplets} == acknowledged
        filler = _fill(small_disk)
        statuses = [
            api("POST", f"/v2/droplets/{droplet['id']}/actions", {"type": "power_off"})[0]
            for droplet in droplets
        ]
        filler.unlink()
        droplets = wait_until_idle(api)
        assert [droplet["status"] for droplet in droplets] == [
            "off" if status == 201 else "active" for status in statuses
        ]
        assert api("POST", "/v2/droplets", {"name": "after", **SPEC})[0] == 202
        assert inconsistencies(api, wait_until_idle(api)) == []
