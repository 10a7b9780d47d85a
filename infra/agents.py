"""What the agents of a cluster tell over HTTP of its members, and the one thing that is asked of them: to join."""

import contextlib
from collections.abc import Iterable
from typing import Any, TypedDict

import requests

ASKING = (1.0, 5.0)
"""Seconds that a connection and then an answer may take; a machine that still boots takes no connection."""


class Member(TypedDict):
    """A machine that has to be in the cluster. The droplet's id counts, because an address may be given again."""

    name: str
    droplet: str
    created: str
    """RFC 3339, so that it sorts."""
    address: str
    """The private address that the agents bind to."""
    public: str


def missing(consul: str, nomad: str, primes: Iterable[Member], workers: Iterable[Member]) -> list[str]:
    """What the cluster still lacks, in words; empty when it is whole.

    Args:
        consul: host and port of a Consul server's HTTP.
        nomad: URL of a Nomad server.
    """
    primes, workers = list(primes), list(workers)
    lacking = []
    try:
        lacking += [] if _ask(f"http://{consul}/v1/status/leader") else ["a Consul leader"]
        alive = _consul_members(consul)
        lacking += [f"{m['name']} in Consul" for m in (*primes, *workers) if (m["name"], m["address"]) not in alive]
    except requests.RequestException as silent:
        lacking.append(f"Consul at {consul} ({type(silent).__name__})")
    try:
        lacking += [] if _ask(f"{nomad}/v1/status/leader") else ["a Nomad leader"]
        servers, clients = _nomad_servers(nomad), _nomad_clients(nomad)
        lacking += [f"{m['name']} in Nomad" for m in primes if m["address"] not in servers]
        lacking += [f"{m['name']} in Nomad" for m in workers if (m["name"], m["address"]) not in clients]
    except requests.RequestException as silent:
        lacking.append(f"Nomad at {nomad} ({type(silent).__name__})")
    return lacking


def _consul_members(consul: str) -> set[tuple[str, str]]:
    """Names and addresses of the members that are alive."""
    return {(member["Name"], member["Addr"]) for member in _ask(f"http://{consul}/v1/agent/members") if member["Status"] == 1}


def introduce(consul: str, prime: Member) -> None:
    """Have a Consul server join a prime; one that does not answer is left for the next time."""
    with contextlib.suppress(requests.RequestException):
        requests.put(f"http://{consul}/v1/agent/join/{prime['address']}", timeout=ASKING)


def _nomad_servers(nomad: str) -> set[str]:
    return {member["Addr"] for member in _ask(f"{nomad}/v1/agent/members")["Members"] if member["Status"] == "alive"}


def _nomad_clients(nomad: str) -> set[tuple[str, str]]:
    """Nodes that take jobs. By address too: a machine that is gone stays in the list for a while under the same name."""
    nodes = _ask(f"{nomad}/v1/nodes")
    return {(node["Name"], node["Address"]) for node in nodes if node["Status"] == "ready" and node["SchedulingEligibility"] == "eligible"}


def _ask(url: str) -> Any:
    answer = requests.get(url, timeout=ASKING)
    answer.raise_for_status()
    return answer.json()
