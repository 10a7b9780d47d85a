"""What this node was told about itself and its cluster, kept by tool-enrol in /etc/slipway/node.json for all to read."""

import json
import re
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

FILE = Path("/etc/slipway/node.json")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
ROLES = ("prime", "worker")
DRIVERS = ("exec", "raw_exec")


class NotReadyError(Exception):
    """The node was not enrolled yet, or was told something wrong; the message names what."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node's part in its cluster.

    ``primes`` are private addresses, a prime's own among them; ``cluster`` is the identity of the cluster that the node
    belongs to, empty on primes, which make one.
    """

    name: str
    role: str
    datacenter: str
    vpc: IPv4Network
    task_driver: str
    primes: list[str]
    bootstrap_expect: int
    cluster: str

    @property
    def prime(self) -> bool:
        return self.role == "prime"

    def render(self) -> str:
        """The text of ``FILE``, which ``parse`` reads."""
        facts = {**vars(self), "vpc_cidr": str(self.vpc)}
        del facts["vpc"]
        return json.dumps(facts, indent=2) + "\n"


def text(told: dict[str, Any], name: str) -> str:
    """Raises:
    NotReadyError: ``told`` has no text of that name.
    """
    value = told.get(name)
    if not isinstance(value, str):
        raise NotReadyError(f"{name} is missing or no text")
    return value


def parse(told: dict[str, Any]) -> Node:
    """Raises:
    NotReadyError: naming what is missing or wrong.
    """
    for name, allowed in (("role", ROLES), ("task_driver", DRIVERS)):
        if text(told, name) not in allowed:
            raise NotReadyError(f"{name} is {told[name]}; it must be {' or '.join(allowed)}")
    for name in ("name", "datacenter"):
        if not NAME.fullmatch(text(told, name)):
            raise NotReadyError(
                f"{name} is {told[name]!r}; only a-z, 0-9 and - may be in it, 63 at most"
            )
    primes, expect = told.get("primes"), told.get("bootstrap_expect")
    if (
        not isinstance(primes, list)
        or not primes
        or not all(isinstance(prime, str) for prime in primes)
    ):
        raise NotReadyError("primes must name the primes' private addresses")
    if not isinstance(expect, int) or isinstance(expect, bool) or expect < 1:
        raise NotReadyError("bootstrap_expect must be 1 or more")
    try:
        return Node(
            name=told["name"],
            role=told["role"],
            datacenter=told["datacenter"],
            vpc=IPv4Network(text(told, "vpc_cidr")),
            task_driver=told["task_driver"],
            primes=[str(IPv4Address(prime)) for prime in primes],
            bootstrap_expect=expect,
            cluster=text(told, "cluster"),
        )
    except ValueError as wrong:
        raise NotReadyError(str(wrong)) from None


def read() -> Node:
    """Raises:
    NotReadyError: the node is not enrolled.
    """
    try:
        return parse(json.loads(FILE.read_text()))
    except FileNotFoundError:
        raise NotReadyError(f"{FILE} is not there: the node is not enrolled") from None
    except (ValueError, NotReadyError) as wrong:
        raise NotReadyError(f"{FILE}: {wrong}") from None


def private_address(vpc: IPv4Network) -> tuple[str, IPv4Address]:
    """The interface inside ``vpc`` and its address there.

    Never chosen by "is it private": a public address of a rehearsal counts as private too.

    Raises:
        NotReadyError: no interface has such an address (yet).
    """
    shown = subprocess.run(
        ["ip", "-json", "-4", "address", "show"], capture_output=True, text=True, check=True
    ).stdout
    for link in json.loads(shown):
        for address in link.get("addr_info", []):
            if "local" in address and IPv4Address(address["local"]) in vpc:
                return link["ifname"], IPv4Address(address["local"])
    raise NotReadyError(f"no interface has an address in {vpc}")
