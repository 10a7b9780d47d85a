"""Agents of the attacker's, run from the real programs, that try to join the cluster's gossip."""

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import TIMEOUT_S, ApiClient, Response
from tests.stack.attacks.namespaces import run_in_namespace
from tests.stack.attacks.server_rpc import outcome_of
from tests.stack.attacks.target import NetworkPosition, Target
from tests.stack.rig import wait_for
from toolchain import tools

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0
MEMBERS_TIMEOUT_S = 10.0
"""Until the server lists an agent whose join it accepted."""
HTTP, SERF, RPC = 15500, 15501, 15502
"""Ports of the attacker's agents, which no firewall opens."""
ENCRYPTION = "gossip encryption"


@dataclass
class RogueAgent:
    """An agent of the attacker's. A server that ``joined`` has to leave before it stops."""

    api: ApiClient
    joined: bool = False


@contextmanager
def rogue_agent(
    program: str, position: NetworkPosition, config: Mapping[str, Any]
) -> Iterator[RogueAgent]:
    """Run an agent at ``position`` until the block ends, and remove its files.

    Raises:
        AssertionError: it does not start; with its log.
    """
    with tempfile.TemporaryDirectory() as directory:
        file, log = Path(directory, "config.json"), Path(directory, "log")
        config = {"data_dir": f"{directory}/data", "disable_update_check": True, **config}
        file.write_text(json.dumps(config))
        option = "-config-file" if program == "consul" else "-config"
        command = [str(tools.bin_dir() / program), "agent", f"{option}={file}"]
        agent = RogueAgent(ApiClient(f"http://127.0.0.1:{HTTP}", namespace=position.namespace))
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", position.namespace, *command], stdout=out, stderr=out
            )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not agent.api.request("GET", "/v1/agent/self").status:
                started = process.poll() is None and time.monotonic() < deadline
                assert started, log.read_text()[-2000:]
                time.sleep(0.05)
            yield agent
        finally:
            if agent.joined:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_TIMEOUT_S)
            process.kill()
            process.wait()


def _unused_name() -> str:
    """Return a new name, because a member that left cannot rejoin at once under the same one."""
    return f"intruder-{secrets.token_hex(3)}"


def _consul_config(position: NetworkPosition, name: str) -> dict[str, Any]:
    return {
        "node_name": name,
        "bind_addr": position.source_address,
        "client_addr": "127.0.0.1",
        "ports": {"http": HTTP, "dns": -1, "grpc": -1, "serf_lan": SERF, "server": RPC},
        "leave_on_terminate": True,
        "performance": {"leave_drain_time": "0s"},
    }


def _nomad_config(position: NetworkPosition, name: str, key: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "bind_addr": position.source_address,
        "addresses": {"http": "127.0.0.1"},
        "advertise": {"http": position.source_address},
        "ports": {"http": HTTP, "serf": SERF, "rpc": RPC},
        "server": {"enabled": True, **key},
        "consul": {"auto_advertise": False, "server_auto_join": False},
        "leave_on_terminate": True,
    }


def _outcome_of_join(
    join: Response, name: str, alive: object, members: Callable[[], dict[str, object]]
) -> Outcome:
    """The join succeeds if the server then lists ``name`` as alive."""
    accepted = join.status == 200 and not (join.json or {}).get("error")
    if accepted:
        wait_for(lambda: members().get(name) == alive, MEMBERS_TIMEOUT_S)
    listed = members()
    return Outcome(listed.get(name) == alive, f"{join.detail}; members: {listed}")


def _join_consul(target: Target, key: dict[str, str]) -> Outcome:
    position, name = target.worker_position, _unused_name()
    config = {"datacenter": target.datacenter, **_consul_config(position, name), **key}

    def members() -> dict[str, object]:
        listed = target.consul_as_manager("/v1/agent/members").json
        return {member["Name"]: member["Status"] for member in listed}

    with rogue_agent("consul", position, config) as agent:
        join = agent.api.request("PUT", f"/v1/agent/join/{position.server_address}:8301")
        return _outcome_of_join(join, name, 1, members)


def _join_nomad(target: Target, key: dict[str, str]) -> Outcome:
    """Join from the prime itself, because no other machine reaches that port."""
    position, name = target.prime_position, _unused_name()
    config = {"datacenter": target.datacenter, **_nomad_config(position, name, key)}

    def members() -> dict[str, object]:
        listed = target.nomad_as_manager("/v1/agent/members").json["Members"]
        return {member["Name"]: member["Status"] for member in listed}

    with rogue_agent("nomad", position, config) as agent:
        address = f"{position.server_address}:4648"
        join = agent.api.request("PUT", f"/v1/agent/join?address={address}")
        outcome = _outcome_of_join(join, f"{name}.global", "alive", members)
        agent.joined = outcome.succeeded
        return outcome


def _another_key(target: Target) -> dict[str, str]:
    """Return a new gossip key, for a target that encrypts gossip."""
    return {"encrypt": base64.b64encode(os.urandom(32)).decode()} if target.is_protected else {}


def _connect_to_serf(target: Target) -> Outcome:
    def connect() -> str:
        address = (target.worker_position.server_address, 4648)
        with socket.create_connection(address, TIMEOUT_S) as connection:
            return f"connected to {connection.getpeername()}"

    namespace = target.worker_position.namespace
    return outcome_of(lambda: run_in_namespace(namespace, connect), b"connected")


ATTACKS = [
    Attack(
        "Join Consul's gossip without a key",
        lambda target: _join_consul(target, {}),
        "encryption is not configured",
        ENCRYPTION,
    ),
    Attack(
        "Join Consul's gossip with another key",
        lambda target: _join_consul(target, _another_key(target)),
        "No installed keys could decrypt",
        ENCRYPTION,
    ),
    Attack(
        "Join Nomad's gossip without a key",
        lambda target: _join_nomad(target, {}),
        "encryption is not configured",
        ENCRYPTION,
    ),
    Attack(
        "Join Nomad's gossip with another key",
        lambda target: _join_nomad(target, _another_key(target)),
        "no installed keys could decrypt",
        ENCRYPTION,
    ),
    Attack(
        "Connect from a worker to the gossip port of a prime's Nomad",
        _connect_to_serf,
        "TimeoutError",
        "the primes' firewall",
    ),
]
