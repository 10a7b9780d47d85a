"""A Consul agent of the test's own, on loopback."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.support.program import free_port
from toolchain.paths import cache_root


def consul_binary() -> str:
    """Consul, from PATH or as ``make setup`` built it."""
    if found := shutil.which("consul"):
        return found
    built = sorted(
        path
        for path in cache_root().glob("*/**/consul")
        if path.is_file() and os.access(path, os.X_OK)
    )
    if not built:
        pytest.fail("there is no consul, neither on PATH nor built: run make setup")
    return str(built[0])


MANAGEMENT = "4f1b5c1e-0000-4000-8000-000000000001"
"""The token that may do anything."""
CLOSED = {
    "acl": {
        "enabled": True,
        "default_policy": "deny",
        "tokens": {"initial_management": MANAGEMENT, "agent": MANAGEMENT, "dns": MANAGEMENT},
    },
    "default_intention_policy": "deny",
}
"""What the cluster's agents have too: who has no token may do nothing, who has no intention may speak with nobody."""


class Consul:
    """The agent's API, as much of it as the tests need."""

    def __init__(self, url: str, dns: str) -> None:
        self.url = url
        self.dns = dns
        self._client = httpx.Client(
            base_url=url, headers={"X-Consul-Token": MANAGEMENT}, trust_env=False, timeout=10
        )

    def ready(self) -> bool:
        try:
            return (
                bool(self._client.get("/v1/status/leader").json())
                and self._client.get("/v1/catalog/nodes").json() != []
            )
        except (httpx.TransportError, ValueError):
            return False

    def write(self, path: str, body: dict[str, Any]) -> Any:
        response = self._client.put(f"/v1/{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    def token(self, service: str) -> str:
        """A token with the rights of ``service`` alone, as its workload gets one."""
        return str(
            self.write("acl/token", {"ServiceIdentities": [{"ServiceName": service}]})["SecretID"]
        )

    def intention(self, source: str, target: str, action: str) -> None:
        sources = [{"Name": source, "Action": action}]
        self.write("config", {"Kind": "service-intentions", "Name": target, "Sources": sources})

    def register(self, body: dict[str, Any]) -> None:
        self.write("catalog/register", body)

    def checks(self, node: str) -> dict[str, dict[str, Any]]:
        """The checks of ``node`` by their id."""
        return {
            check["CheckID"]: check for check in self._client.get(f"/v1/health/node/{node}").json()
        }

    def services(self, node: str) -> list[str]:
        return sorted(self._client.get(f"/v1/catalog/node/{node}").json()["Services"])


@contextmanager
def consul_agent(
    directory: Path, configuration: Mapping[str, Any] | None = None
) -> Iterator[Consul]:
    """A dev agent; it is gone at the end, and kept nothing."""
    (directory / "consul.json").write_text(json.dumps(configuration or {}))
    ports = {
        "http": free_port(),
        "dns": free_port(),
        "server": free_port(),
        "serf-lan": free_port(),
    }
    ports |= {"serf-wan": -1, "grpc": -1, "grpc-tls": -1}
    command = [
        consul_binary(),
        "agent",
        "-dev",
        "-node=agent",
        "-bind=127.0.0.1",
        "-config-file=consul.json",
    ]
    command += [f"-{name}-port={port}" for name, port in ports.items()]
    with (directory / "consul.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env={"PATH": os.defpath}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        consul = Consul(f"http://127.0.0.1:{ports['http']}", f"127.0.0.1:{ports['dns']}")
        deadline = time.monotonic() + 30
        while not consul.ready():
            assert process.poll() is None and time.monotonic() < deadline, (
                directory / "consul.log"
            ).read_text()[-2000:]
            time.sleep(0.1)
        yield consul
    finally:
        process.kill()
        process.wait()
