#!/usr/bin/python3
"""Prepare the start of Nomad: reset its state if that is scheduled, then wait for what it needs.

A client whose first registration fails tries again only after 15 to 30 seconds. A client that
starts before its Consul agent runs no job with services until its next check of Consul. After a
timeout Nomad starts anyway, because it retries on its own.
"""

import contextlib
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import files
import node

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_CONTROLLERS = ("cpuset", "cpu", "memory", "freezer", "pids")
STATE = Path("/var/lib/nomad")
CLIENT_STATE = STATE / "client"
INTRODUCTION = CLIENT_STATE / "intro_token.jwt"
"""Where a client reads the introduction token of its first registration."""

RESET_MARKER = Path("/var/lib/nomad-reset")
"""tool-enrol creates it when Nomad's state is to be reset. It holds the id of the boot that must
end before the reset."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

CONSUL_HTTP_PORT = 8500
CONNECT_TIMEOUT_S = 1
POLL_INTERVAL_S = 0.1
CGROUPS_TIMEOUT_S = 30
CONSUL_TIMEOUT_S = 20
PRIME_TIMEOUT_S = 120


def accepts_connections(host: str, port: int) -> bool:
    """Return whether a process listens on the TCP port."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S),
    ):
        return True
    return False


def are_cgroups_writable() -> bool:
    """Return whether a cgroup can be created in each hierarchy.

    In a container they are read-only for a moment after boot.
    """
    hierarchies = [CGROUPS / name for name in CGROUP_CONTROLLERS if (CGROUPS / name).is_dir()]
    for hierarchy in hierarchies or [CGROUPS]:
        probe = hierarchy / "nomad-prestart"
        try:
            probe.mkdir(exist_ok=True)
            probe.rmdir()
        except OSError:
            return False
    return True


def schedule_state_reset() -> None:
    """Schedule a reset of Nomad's state for the next boot: until then, tasks have it mounted."""
    RESET_MARKER.write_text(BOOT_ID.read_text())


def is_reboot_pending() -> bool:
    """Return whether the boot that scheduled a reset has not ended yet."""
    return RESET_MARKER.exists() and RESET_MARKER.read_text() == BOOT_ID.read_text()


def reset_state_if_scheduled() -> None:
    """Delete Nomad's state, except the introduction to the next cluster, if that is scheduled.

    The marker is removed last, so that an interrupted reset is repeated.
    """
    if not RESET_MARKER.exists():
        return
    CLIENT_STATE.mkdir(mode=0o700, exist_ok=True)
    for entry in [*STATE.iterdir(), *CLIENT_STATE.iterdir()]:
        if entry not in (CLIENT_STATE, INTRODUCTION):
            files.remove(entry)
    RESET_MARKER.unlink()


def wait_until(is_ready: Callable[[], bool], name: str, timeout_s: float) -> None:
    """Wait until ``is_ready`` returns true; after ``timeout_s`` report ``name`` and return."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        if time.monotonic() > deadline:
            message = f"{name} not ready after {timeout_s:.0f} s, starting Nomad anyway"
            print(f"nomad-prestart: {message}", file=sys.stderr)
            return
        time.sleep(POLL_INTERVAL_S)


def main() -> int:
    """Reset the state if scheduled; on a worker, wait for cgroups, Consul and a prime."""
    this_node = node.read()
    reset_state_if_scheduled()
    if this_node.is_prime:
        return 0

    import nomad_rpc  # Loads OpenSSL, which a prime does not need here.

    wait_until(are_cgroups_writable, "writable cgroups", CGROUPS_TIMEOUT_S)
    wait_until(
        lambda: accepts_connections("127.0.0.1", CONSUL_HTTP_PORT),
        "Consul agent",
        CONSUL_TIMEOUT_S,
    )
    wait_until(
        lambda: any(map(nomad_rpc.accepts_registrations, this_node.primes)),
        "Nomad server",
        PRIME_TIMEOUT_S,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
