"""godo, DigitalOcean's Go client, in a program that ends if a pointer in a response is nil."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import limits
from rehearsal.config import CloudConfig
from rehearsal.limits import RateLimits
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.support.client import Client, running

SOURCE = Path(__file__).parent / "godo"
PROGRAM_TIMEOUT_S = 150
BUILD_TIMEOUT_S = 300
LISTS = {
    "account/keys": "ssh_keys",
    "droplets": "droplets",
    "images?private=true": "images",
    "snapshots": "snapshots",
    "firewalls": "firewalls",
    "load_balancers": "load_balancers",
    "reserved_ips": "reserved_ips",
    "domains": "domains",
    "certificates": "certificates",
    "spaces/keys": "keys",
    "tags": "tags",
}
"""Fields that the program expects to be empty."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("godo") / "godo-client"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    command = ["go", "build", "-trimpath", "-o", str(target), "."]
    done = subprocess.run(
        command,
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def _run(program: Path, steps: str, api: Client, token: str) -> list[str]:
    """Run the program, and return the steps that succeeded."""
    environment = {**os.environ, "DIGITALOCEAN_API_URL": api.url, "DIGITALOCEAN_TOKEN": token}
    done = subprocess.run(
        [program, steps],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROGRAM_TIMEOUT_S,
        check=False,
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if not line["ok"]] == []
    assert done.returncode == 0, done.stderr
    return [line["step"] for line in lines]


def test_godo_creates_changes_and_deletes_each_resource(
    program: Path, api: Client, config: CloudConfig
) -> None:
    steps = _run(program, "all", api, config.token)
    assert (steps[0], steps[-1], len(steps)) == ("catalogue", "deleted", 22)
    assert {
        path: items for path, kind in LISTS.items() if (items := api("GET", f"/v2/{path}")[kind])
    } == {}


@pytest.fixture
def strict(config: CloudConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A cloud that allows 5 requests in a minute of two seconds."""
    monkeypatch.setattr(limits, "MINUTE_S", 2)
    with running(config, MemoryMachines(config), RateLimits(per_minute=5)) as client:
        yield client


def test_godo_waits_for_the_rate_limit(program: Path, strict: Client, config: CloudConfig) -> None:
    assert _run(program, "limits", strict, config.token) == [
        "rejected at the limit",
        "waits",
        "gives up",
    ]
