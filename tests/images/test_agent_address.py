"""Consul keeps services and configuration entries when it recovers from ``raft/peers.json``."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.images.support.programs import LoadModule, find_binary
from tests.services.support.program import free_port

TIMEOUT_S = 30.0
INTENTIONS = {
    "Kind": "service-intentions",
    "Name": "backserve",
    "Sources": [{"Name": "frontserve", "Action": "allow"}],
}
SERVICE = {
    "Node": "worker01",
    "Address": "10.10.0.9",
    "Service": {"Service": "backserve", "Port": 80, "Connect": {"Native": True}},
}


class Server:
    """A Consul server on loopback, whose state stays when it is killed."""

    def __init__(self, directory: Path) -> None:
        self._state = directory / "state"
        self._config = directory / "config.json"
        self._api = f"http://127.0.0.1:{(port := free_port())}"
        self._rpc = free_port()
        ports = {"http": port, "server": self._rpc, "serf_lan": free_port()}
        disabled = dict.fromkeys(("dns", "serf_wan", "grpc", "grpc_tls"), -1)
        config = {
            "data_dir": str(self._state),
            "server": True,
            "bootstrap": True,
            "bind_addr": "127.0.0.1",
            "ports": {**ports, **disabled},
            "performance": {"raft_multiplier": 1},
        }
        self._config.write_text(json.dumps(config))

    @contextmanager
    def running(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Run the server during the block, which starts when it leads; then kill it."""
        process = subprocess.Popen(
            [find_binary("consul"), "agent", f"-config-file={self._config}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait_until_ready()
            yield
        finally:
            process.kill()
            process.wait()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self.request("PUT", "/v1/kv/ready")
                # Services of the mesh are accepted only with the authority.
                self.request("GET", "/v1/connect/ca/roots")
                return
            except requests.RequestException:
                assert time.monotonic() < end, "Consul is not ready"
                time.sleep(0.1)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        response = requests.request(method, f"{self._api}{path}", json=body, timeout=5)
        response.raise_for_status()
        return response.json()

    def write_peers(self) -> Path:
        """Make this server the only peer at its next start; return the file."""
        peers = [
            {
                "id": (self._state / "node-id").read_text().strip(),
                "address": f"127.0.0.1:{self._rpc}",
                "non_voter": False,
            }
        ]
        file = self._state / "raft/peers.json"
        file.write_text(json.dumps(peers))
        return file


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_consul_recovers_with_its_services_and_intentions(
    server: Server, load: LoadModule, tmp_path: Path
) -> None:
    with server.running({}):
        server.request("PUT", "/v1/config", INTENTIONS)
        server.request("PUT", "/v1/catalog/register", SERVICE)
    peers = server.write_peers()
    serve = load("agent_address").serve_agent_address
    with (
        serve(tmp_path / "consul.sock", "127.0.0.1") as address,
        server.running({"CONSUL_HTTP_ADDR": address}),
    ):
        assert not peers.exists()
        [intentions] = server.request("GET", "/v1/config/service-intentions")
        [instance] = server.request("GET", "/v1/catalog/service/backserve")
    assert intentions["Sources"][0]["Action"] == "allow"
    assert instance["Node"] == "worker01"
    assert not (tmp_path / "consul.sock").exists()
