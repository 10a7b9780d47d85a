#!/usr/bin/python3
"""tool-join: make this node what /etc/slipway/cluster.env says, and start its agents.

May be run at any time, by several at once: an agent is restarted only if its configuration changed.
"""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import agents
import cluster
import resolver

CONSUL = Path("/etc/consul.d/cluster.json")
NOMAD = Path("/etc/nomad.d/cluster.json")
HOSTS = Path("/etc/hosts")
LOCK = Path("/run/tool-join.lock")


def write(path: Path, config: dict[str, Any]) -> bool:
    """Write ``config`` as JSON, readable as its directory is; returns whether that changed anything."""
    text = json.dumps(config, indent=2) + "\n"
    if path.exists() and path.read_text() == text:
        return False
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(path)
    return True


def ensure_localhost() -> None:
    """Nomad reaches its Consul agent by that name."""
    hosts = HOSTS.read_text() if HOSTS.exists() else ""
    if not any("localhost" in line.split()[1:] for line in hosts.splitlines() if line.startswith("127.")):
        HOSTS.write_text(f"127.0.0.1 localhost\n{hosts}")


def join() -> None:
    """Raises:
    cluster.NotReadyError: the node was told too little, or its network is not up yet.
    """
    told = cluster.read()
    interface, address = cluster.private_address(told.vpc)
    ensure_localhost()
    upstream = resolver.original()
    changed = {
        "consul": write(CONSUL, agents.consul(told, address, told.recursors or upstream)),
        "nomad": write(NOMAD, agents.nomad(told, address, interface)),
    }
    resolver.use_consul(told.recursors or upstream)
    for unit, fresh in changed.items():
        subprocess.run(["systemctl", "restart" if fresh else "start", "--no-block", f"{unit}.service"], check=True)
    print(f"tool-join: {told.role} {told.node_name} at {address} ({interface})")


def main() -> int:
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            join()
        except cluster.NotReadyError as reason:
            print(f"tool-join: {reason}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
