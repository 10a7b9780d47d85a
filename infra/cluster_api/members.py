"""Who has to be in a cluster, and who is still missing in it."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from infra.cluster_api.client import POLL_INTERVAL_S, AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access


class Member(TypedDict):
    """A machine that has to be in the cluster. The droplet's id counts, because an address may be given again."""

    name: str
    droplet: str
    created: str
    """RFC 3339, so that it sorts."""
    address: str
    """The private address that the agents bind to."""
    public: str


class NotReadyError(Exception):
    """The cluster is not whole in time; the message names who is missing."""


def droplets(members: Any) -> set[str]:
    """Ids of the members' droplets; none where they are not known yet."""
    return {member["droplet"] for member in members} if isinstance(members, list) else set()


def wait(
    access: Access, primes: Sequence[Member], workers: Sequence[Member], timeout: float
) -> None:
    """Wait until there are leaders and every member is there, telling on standard output what is still missing.

    Raises:
        NotReadyError: after ``timeout`` seconds.
    """
    start = time.monotonic()
    told: list[str] = []
    consul, nomad = Consul(access), Nomad(access)
    while lacking := missing(consul, nomad, primes, workers):
        passed = time.monotonic() - start
        if passed > timeout:
            hint = "If no agent answers, is this machine in admin_cidrs? Else the journal of consul and nomad on the machine tells why."
            raise NotReadyError(
                f"after {timeout:.0f} s the cluster lacks {', '.join(lacking)}. {hint}"
            )
        if lacking != told:
            print(f"{passed:.0f} s: waiting for {', '.join(lacking)}", flush=True)
            told = lacking
        time.sleep(POLL_INTERVAL_S)
    whole = (
        f"{len(primes)} primes and {len(workers)} workers are ready"
        if primes or workers
        else "there are leaders"
    )
    print(f"{time.monotonic() - start:.0f} s: {whole}", flush=True)


def missing(
    consul: Consul, nomad: Nomad, primes: Iterable[Member], workers: Iterable[Member]
) -> list[str]:
    """What the cluster still lacks, in words; empty when it is whole. Members, unlike leaders, are told to nobody without a token."""
    primes, workers = list(primes), list(workers)
    lacking = []
    try:
        lacking += [] if consul.leader() else ["a Consul leader"]
        alive = consul.members() if primes or workers else set()
        lacking += [
            f"{m['name']} in Consul"
            for m in (*primes, *workers)
            if (m["name"], m["address"]) not in alive
        ]
    except AgentError as error:
        lacking.append(str(error))
    try:
        lacking += [] if nomad.leader() else ["a Nomad leader"]
        servers, clients = (
            (nomad.servers(), nomad.clients()) if primes or workers else (set(), set())
        )
        lacking += [f"{m['name']} in Nomad" for m in primes if m["address"] not in servers]
        lacking += [
            f"{m['name']} in Nomad" for m in workers if (m["name"], m["address"]) not in clients
        ]
    except AgentError as error:
        lacking.append(str(error))
    return lacking
