"""Stops the agents of a node that leaves its cluster for good."""

import subprocess
from pathlib import Path

import files
import node

AGENTS = ("nomad.service", "consul.service")
"""Nomad stops first: it deregisters its services with the Consul agent."""
DROP_IN = Path("/run/systemd/system/nomad.service.d/leave.conf")
LEAVE_ON_STOP = "[Service]\nKillSignal=SIGTERM\n"


def leave_cluster() -> str:
    """Stop both agents until the droplet is deleted, and return the outcome.

    A client agent of Consul leaves the cluster when it stops. The other members learn that a
    server of Consul leaves before this runs. A server of Nomad leaves its pool: the other servers
    tell clients the addresses of all servers that have not left, also of those that are gone.
    """
    if node.FILE.exists() and node.read().is_prime:
        files.ensure_directory(DROP_IN.parent, 0o755)
        files.write_atomically(DROP_IN, LEAVE_ON_STOP, 0o644)
        _systemctl("daemon-reload")
    for agent in AGENTS:
        _systemctl("disable", "--now", agent)
    return "left"


def _systemctl(*arguments: str) -> None:
    subprocess.run(["systemctl", *arguments], check=True, capture_output=True)
