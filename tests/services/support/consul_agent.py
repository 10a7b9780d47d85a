"""A real Consul agent in dev mode, on loopback."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.support.program import eventually, free_port
from toolchain.paths import cache_root


def consul_binary() -> str:
    """Return the path of Consul: on PATH, or built by ``make setup``."""
    if path := shutil.which("consul"):
        return path
    built = sorted(
        path
        for path in cache_root().glob("*/**/consul")
        if path.is_file() and os.access(path, os.X_OK)
    )
    if not built:
        pytest.fail("consul is neither on PATH nor built: run make setup")
    return str(built[0])


START_TIMEOUT_S = 30.0
MANAGEMENT_TOKEN = "4f1b5c1e-0000-4000-8000-000000000001"
DENY_BY_DEFAULT = {
    "acl": {
        "enabled": True,
        "default_policy": "deny",
        "tokens": {
            "initial_management": MANAGEMENT_TOKEN,
            "agent": MANAGEMENT_TOKEN,
            "dns": MANAGEMENT_TOKEN,
        },
    },
    "default_intention_policy": "deny",
}
"""ACLs and intentions that deny by default, as in the cluster."""


class Consul:
    """A client of the agent."""

    def __init__(self, url: str, dns: str) -> None:
        self.url = url
        self.dns = dns
        self._client = httpx.Client(
            base_url=url, headers={"X-Consul-Token": MANAGEMENT_TOKEN}, trust_env=False, timeout=10
        )

    def is_ready(self) -> bool:
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
        """Create a token with the service identity of ``service``, like a workload's."""
        return str(
            self.write("acl/token", {"ServiceIdentities": [{"ServiceName": service}]})["SecretID"]
        )

    def intention(self, source: str, target: str, action: str) -> None:
        sources = [{"Name": source, "Action": action}]
        self.write("config", {"Kind": "service-intentions", "Name": target, "Sources": sources})

    def register(self, body: dict[str, Any]) -> None:
        self.write("catalog/register", body)

    def checks(self, node: str) -> dict[str, dict[str, Any]]:
        """Return the checks of ``node`` by their id."""
        return {
            check["CheckID"]: check for check in self._client.get(f"/v1/health/node/{node}").json()
        }

    def services(self, node: str) -> list[str]:
        return sorted(self._client.get(f"/v1/catalog/node/{node}").json()["Services"])


@contextmanager
def consul_agent(
    directory: Path, configuration: Mapping[str, Any] | None = None
) -> Iterator[Consul]:
    """Run an agent that keeps its state in memory."""
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

        def is_ready() -> bool:
            assert process.poll() is None, (directory / "consul.log").read_text()[-2000:]
            return consul.is_ready()

        eventually(is_ready, START_TIMEOUT_S)
        yield consul
    finally:
        process.kill()
        process.wait()
