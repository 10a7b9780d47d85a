#!/usr/bin/python3
"""Runs before Nomad starts and waits, within bounds, for what Nomad would otherwise stumble over.

A client whose first registration fails tries again only 15 to 30 seconds later; one that starts before its Consul
agent answers places no job with services until it looks again. Where the bound is reached Nomad starts all the
same: it goes on trying by itself.
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
CONTROLLERS = ("cpuset", "cpu", "memory", "freezer", "pids")
STATE = Path("/var/lib/nomad")
CLIENT_STATE = STATE / "client"
INTRODUCTION = CLIENT_STATE / "intro_token.jwt"
"""Where a client looks for what it shows the servers at its first registration."""

FORGET = Path("/var/lib/nomad-forget")
"""Made by tool-enrol: Nomad must not remember its former cluster. Holds the id of the boot that is to end first."""
BOOT = Path("/proc/sys/kernel/random/boot_id")

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


def forget_at_boot() -> None:
    """Have Nomad's state emptied when the machine has booted again: until then tasks have it mounted."""
    FORGET.write_text(BOOT.read_text())


def about_to_forget() -> bool:
    """Whether the boot that ``forget_at_boot`` asked for is still to come."""
    return FORGET.exists() and FORGET.read_text() == BOOT.read_text()


def forget() -> None:
    """Empty Nomad's state if that was asked for, but for the introduction to the next cluster.

    The mark goes last, so that an interruption is made up for.
    """
    if not FORGET.exists():
        return
    CLIENT_STATE.mkdir(mode=0o700, exist_ok=True)
    for entry in [*STATE.iterdir(), *CLIENT_STATE.iterdir()]:
        if entry not in (CLIENT_STATE, INTRODUCTION):
            files.remove(entry)
    FORGET.unlink()


def wait(what: str, seconds: float, ready: Callable[[], bool]) -> None:
    """Until ``ready``, ``seconds`` at most; tells if that was not enough."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            print(
                f"before-nomad: {what} still not there after {seconds:.0f} s; starting all the same",
                file=sys.stderr,
            )
            return
        time.sleep(PAUSE_SECONDS)


def main() -> int:
    told = node.read()
    forget()
    if not told.prime:
        import nomad_rpc  # loads OpenSSL, which a prime has no use for here

        wait("writable cgroups", 30, cgroups_writable)
        wait("the Consul agent", 20, lambda: answers("127.0.0.1", CONSUL_HTTP_PORT))
        wait("a prime's Nomad", 120, lambda: any(map(nomad_rpc.takes_registrations, told.primes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
