"""A Consul agent of the test's own, on loopback."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.program import free_port
from toolchain.paths import cache_root


def consul_binary() -> str:
    """Consul, from PATH or as ``make setup`` built it."""
    if found := shutil.which("consul"):
        return found
    built = sorted(path for path in cache_root().glob("*/**/consul") if path.is_file() and os.access(path, os.X_OK))
    if not built:
        pytest.fail("there is no consul, neither on PATH nor built: run make setup")
    return str(built[0])


class Consul:
    """The agent's API, as much of it as the tests need."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def ready(self) -> bool:
        try:
            return bool(self._client.get("/v1/status/leader").json()) and self._client.get("/v1/catalog/nodes").json() != []
        except (httpx.TransportError, ValueError):
            return False

    def register(self, body: dict[str, Any]) -> None:
        self._client.put("/v1/catalog/register", json=body).raise_for_status()

    def checks(self, node: str) -> dict[str, dict[str, Any]]:
        """The checks of ``node`` by their id."""
        return {check["CheckID"]: check for check in self._client.get(f"/v1/health/node/{node}").json()}

    def services(self, node: str) -> list[str]:
        return sorted(self._client.get(f"/v1/catalog/node/{node}").json()["Services"])


@contextmanager
def consul_agent(directory: Path) -> Iterator[Consul]:
    """A dev agent; it is gone at the end, and kept nothing."""
    ports = {"http": free_port(), "dns": free_port(), "server": free_port(), "serf-lan": free_port()}
    ports |= {"serf-wan": -1, "grpc": -1, "grpc-tls": -1}
    command = [consul_binary(), "agent", "-dev", "-node=agent", "-bind=127.0.0.1"]
    command += [f"-{name}-port={port}" for name, port in ports.items()]
    with (directory / "consul.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, env={"PATH": os.defpath}, stdout=log, stderr=subprocess.STDOUT)
    try:
        consul = Consul(f"http://127.0.0.1:{ports['http']}")
        deadline = time.monotonic() + 30
        while not consul.ready():
            assert process.poll() is None and time.monotonic() < deadline, (directory / "consul.log").read_text()[-2000:]
            time.sleep(0.1)
        yield consul
    finally:
        process.kill()
        process.wait()
