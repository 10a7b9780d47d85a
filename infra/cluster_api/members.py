"""The members that a cluster must have, and the wait for them."""

import time
from collections.abc import Sequence
from typing import TypedDict

from infra.cluster_api.client import POLL_INTERVAL_S, AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.cluster_api.raft import RaftGroup
from infra.mtls import Access


class Member(TypedDict):
    """A machine of the cluster."""

    name: str
    droplet: str
    """Id. It identifies the machine: an address may be reused."""
    created: str
    """RFC 3339."""
    address: str
    """The private address, on which the agents listen."""
    public: str
    """The public address."""


class NotReadyError(Exception):
    """The cluster is not complete in time; the message names what is missing."""


def wait_for_members(
    access: Access, primes: Sequence[Member], workers: Sequence[Member], timeout_s: float
) -> None:
    """Wait until there are leaders and all members are in the cluster; print what is missing.

    Raises:
        NotReadyError: something is still missing after ``timeout_s``.
    """
    start = time.monotonic()
    reported: list[str] = []
    consul, nomad = Consul(access), Nomad(access)
    while missing := find_missing(consul, nomad, primes, workers):
        elapsed = time.monotonic() - start
        if elapsed > timeout_s:
            raise NotReadyError(
                f"after {timeout_s:.0f} s the cluster lacks {', '.join(missing)}. "
                "If no agent answers, add this machine's network to admin_cidrs. "
                "Otherwise read the journals of consul and nomad on the machine"
            )
        if missing != reported:
            print(f"{elapsed:.0f} s: waiting for {', '.join(missing)}", flush=True)
            reported = missing
        time.sleep(POLL_INTERVAL_S)
    result = (
        f"{len(primes)} primes and {len(workers)} workers are ready"
        if primes or workers
        else "there are leaders"
    )
    print(f"{time.monotonic() - start:.0f} s: {result}", flush=True)


def find_missing(
    consul: Consul, nomad: Nomad, primes: Sequence[Member], workers: Sequence[Member]
) -> list[str]:
    """Return what the cluster lacks, in words.

    The lists of members need a token, and the leaders do not. So without members, only the leaders
    are requested.
    """
    missing = []
    try:
        if not consul.has_leader():
            missing.append("a Consul leader")
        alive = consul.alive_members() if primes or workers else set()
        missing += [
            f"{member['name']} in Consul"
            for member in (*primes, *workers)
            if (member["name"], member["address"]) not in alive
        ]
    except AgentError as error:
        missing.append(str(error))
    try:
        if not nomad.has_leader():
            missing.append("a Nomad leader")
        servers = nomad.alive_servers() if primes or workers else set()
        clients = nomad.ready_clients() if primes or workers else set()
        missing += [f"{m['name']} in Nomad" for m in primes if m["address"] not in servers]
        for api in (consul, nomad) if primes else ():
            voters = RaftGroup(api).healthy_voters()
            missing += [
                f"{m['name']} as a voter of {api.kind}"
                for m in primes
                if m["address"] not in voters
            ]
        missing += [
            f"{m['name']} in Nomad" for m in workers if (m["name"], m["address"]) not in clients
        ]
    except AgentError as error:
        missing.append(str(error))
    return missing
