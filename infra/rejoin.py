"""Machines that outlived their cluster are taken into the next one.

A Nomad client cannot go over by itself: what it was given by the former servers, its identity first of all, the new
ones refuse. So it is told over SSH whom to join (the image's ``tool-rejoin``), forgets the former, and boots afresh, which also ends the
former cluster's tasks. It keeps its disk, its addresses and its place behind the load balancer.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.agents import Member

KEY = "SLIPWAY_SSH_KEY"
"""Environment variable with the path of the private key that belongs to ``ssh_public_key``."""

TOLD = "boots afresh"
"""What the image's ``tool-rejoin`` says when it has done its part; its connection may break right after."""


class RejoinError(Exception):
    """A machine cannot be taken over; the message names it, the cause and the remedy."""


def outlived(primes: Sequence[Member], workers: Sequence[Member]) -> list[Member]:
    """The workers that are older than every prime: they were made for a cluster that is gone."""
    oldest = min(prime["created"] for prime in primes)
    return [worker for worker in workers if worker["created"] < oldest]


def rejoin(workers: Sequence[Member], primes: Sequence[Member], patience: float) -> None:
    """Take ``workers`` over, side by side.

    Args:
        patience: seconds that a machine has to answer.

    Raises:
        RejoinError: the key is missing, or some machine did not do its part.
    """
    if not workers:
        return
    names = ", ".join(worker["name"] for worker in workers)
    remedy = "or replace them (`pulumi up --replace`)"
    if not (key := os.environ.get(KEY)) or not Path(key).is_file():
        raise RejoinError(
            f"{names} knew the former cluster: set {KEY} to the private key's file, so that they can be told of this one, {remedy}"
        )
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(max_workers=16) as pool:
        commands = [command(worker, primes, Path(key), Path(scratch, "known_hosts")) for worker in workers]
        failures = [failure for failure in pool.map(lambda one: _told(one, patience), commands) if failure]
    if failures:
        raise RejoinError(
            f"of {names}, which knew the former cluster, some cannot be told of this one ({'; '.join(failures)}): repair {remedy}"
        )


def command(worker: Member, primes: Sequence[Member], key: Path, known_hosts: Path) -> list[str]:
    """The whole of what is run for one machine."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": str(known_hosts),
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    addresses = [prime["address"] for prime in primes]
    return ["ssh", "-F", "none", "-i", str(key), *flags, f"root@{worker['public']}", "tool-rejoin", *addresses]


def _told(ssh: list[str], patience: float) -> str | None:
    """Run until the machine says that it is done; its failure otherwise."""
    deadline = time.monotonic() + patience
    while True:
        try:
            done = subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            failure = done.stderr.strip().splitlines()[-1:] or [f"ssh ended with {done.returncode}"]
            if TOLD in done.stdout:
                return None
        except subprocess.TimeoutExpired:
            failure = ["no answer within 30 s"]
        if time.monotonic() > deadline:
            return f"{_target(ssh)}: {failure[0]}"
        time.sleep(1)


def _target(ssh: list[str]) -> str:
    return next(word for word in ssh if word.startswith("root@"))
