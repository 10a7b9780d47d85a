"""A full disk: what cannot be kept is refused, what was acknowledged stays, and with room again all goes on."""

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
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of its own, of 4 MiB."""
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
    """Leave no byte."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(512))
        except OSError:
            return filler


def test_a_full_disk(small: Path) -> None:
    config = create_config(small)
    kept = set()
    with serving(config), ApiClient(config) as api:
        status, made = api("POST", "/v2/droplets", {"name": "before", **SPEC})
        assert status == 202
        kept.add(made["droplet"]["id"])
        filler = _fill(small)
        answers = [
            api(
                "POST", "/v2/droplets", {"name": f"full{number}", "user_data": "x" * 60_000, **SPEC}
            )
            for number in range(20)
        ]
        kept |= {body["droplet"]["id"] for status, body in answers if status == 202}
        refused = [
            (status, body["id"], body["message"]) for status, body in answers if status != 202
        ]
        assert refused, "the disk was not full"
        assert {(status, id) for status, id, _ in refused} == {(500, "server_error")}
        assert all("full" in message for *_, message in refused)
        assert {droplet["id"] for droplet in api.all("droplets")} == kept, (
            "what was refused is not there"
        )
    # Killed while nothing can be written, and started again.
    filler.unlink()
    with serving(config), ApiClient(config) as api:
        droplets = wait_until_idle(api)
        assert {droplet["id"] for droplet in droplets} == kept
        filler = _fill(small)
        begun = [
            api("POST", f"/v2/droplets/{droplet['id']}/actions", {"type": "power_off"})[0]
            for droplet in droplets
        ]
        filler.unlink()
        droplets = wait_until_idle(api)
        assert [droplet["status"] for droplet in droplets] == [
            "off" if status == 201 else "active" for status in begun
        ]
        assert api("POST", "/v2/droplets", {"name": "after", **SPEC})[0] == 202
        assert inconsistencies(api, wait_until_idle(api)) == []
