#!/usr/bin/python3
"""Runs before Nomad starts and waits, within bounds, for what Nomad would otherwise stumble over.

A client whose first registration fails tries again only 15 to 30 seconds later; one that starts before its Consul
agent answers places no job with services until it looks again. Where the bound is reached Nomad starts all the
same: it goes on trying by itself.
"""

import contextlib
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cluster
import nomad_rpc

CGROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpuset", "cpu", "memory", "freezer", "pids")
STATE = Path("/var/lib/nomad")
FORGET = Path("/var/lib/nomad-forget")
"""Made by tool-rejoin: Nomad must not remember its former cluster."""

CONSUL_HTTP_PORT = 8500
PAUSE_SECONDS = 0.1


def answers(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def cgroups_writable() -> bool:
    """Whether a group can be made in each hierarchy; a container's are read-only for a moment after boot."""
    hierarchies = [CGROUPS / name for name in CONTROLLERS if (CGROUPS / name).is_dir()] or [CGROUPS]
    for hierarchy in hierarchies:
        probe = hierarchy / "before-nomad"
        try:
            probe.mkdir(exist_ok=True)
            probe.rmdir()
        except OSError:
            return False
    return True


def forget() -> None:
    """Empty Nomad's state if that was asked for; the mark goes last, so that an interruption is made up for."""
    if not FORGET.exists():
        return
    for entry in STATE.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    FORGET.unlink()


def wait(what: str, seconds: float, ready: Callable[[], bool]) -> None:
    """Until ``ready``, ``seconds`` at most; tells if that was not enough."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            print(f"before-nomad: {what} still not there after {seconds:.0f} s; starting all the same", file=sys.stderr)
            return
        time.sleep(PAUSE_SECONDS)


def main() -> int:
    told = cluster.read()
    forget()
    if told.role == "worker":
        wait("writable cgroups", 30, cgroups_writable)
        wait("the Consul agent", 20, lambda: answers("127.0.0.1", CONSUL_HTTP_PORT))
        wait("a prime's Nomad", 120, lambda: any(map(nomad_rpc.takes_registrations, told.primes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
