"""Makes this server the only one of its cluster, after the loss of a quorum.

Consul and Nomad read ``raft/peers.json`` when they start, and then use it as the Raft
configuration. The state that this server has stays.
Source: https://developer.hashicorp.com/consul/tutorials/operate-consul/recovery-outage
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import files
import node
from agent_address import serve_agent_address

CONSUL_STATE = Path("/var/lib/consul")
NOMAD_STATE = Path("/var/lib/nomad/server")
CONSUL_DROP_IN = Path("/run/systemd/system/consul.service.d/recovery.conf")
ADDRESS_SOCKET = Path("/run/consul-recovery.sock")
CONSUL_RPC_PORT = 8300
NOMAD_RPC_PORT = 4647
RECOVERY_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.1


class RecoveryError(Exception):
    """A server does not recover; the message says which."""


def recover_server() -> str:
    """Restart both servers with themselves as the only peer, and return the outcome.

    Raises:
        node.NodeError: this machine is not an enrolled prime.
        OSError: a server has no state yet.
        RecoveryError: a server does not read its new configuration.
        subprocess.CalledProcessError: a unit does not stop or start.
    """
    this_node = node.read()
    if not this_node.is_prime:
        raise node.NodeError(f"{this_node.name} is a {this_node.role}; only a prime can recover")
    _, address = node.find_private_address(this_node.vpc)
    _systemctl("stop", "consul.service")
    _write_peers(CONSUL_STATE, f"{address}:{CONSUL_RPC_PORT}", "consul")
    with (
        serve_agent_address(ADDRESS_SOCKET, str(address)) as http_address,
        _environment(CONSUL_DROP_IN, f"CONSUL_HTTP_ADDR={http_address}"),
    ):
        _start("consul", CONSUL_STATE)
    _systemctl("stop", "nomad.service")
    _write_peers(NOMAD_STATE, f"{address}:{NOMAD_RPC_PORT}", "root")
    _start("nomad", NOMAD_STATE)
    return "recovered"


def _systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True)


def _peers_file(state: Path) -> Path:
    return state / "raft/peers.json"


def _write_peers(state: Path, address: str, group: str) -> None:
    node_id = (state / "node-id").read_text().strip()
    peers = [{"id": node_id, "address": address, "non_voter": False}]
    files.write_atomically(_peers_file(state), json.dumps(peers), 0o640, group)


def _start(program: str, state: Path) -> None:
    """Start a server and wait until it has read and deleted its ``peers.json``."""
    _systemctl("start", f"{program}.service")
    end = time.monotonic() + RECOVERY_TIMEOUT_S
    while _peers_file(state).exists():
        if time.monotonic() > end:
            raise RecoveryError(
                f"{program} has not read {_peers_file(state)} after {RECOVERY_TIMEOUT_S:.0f} s; "
                f"`journalctl -u {program}` says why"
            )
        time.sleep(POLL_INTERVAL_S)


@contextmanager
def _environment(drop_in: Path, variable: str) -> Iterator[None]:
    """Give a unit an environment variable while it starts in the block."""
    files.ensure_directory(drop_in.parent, 0o755)
    files.write_atomically(drop_in, f"[Service]\nEnvironment={variable}\n", 0o644)
    _systemctl("daemon-reload")
    try:
        yield
    finally:
        drop_in.unlink()
        _systemctl("daemon-reload")
