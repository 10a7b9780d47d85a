"""The description of this node, which tool-enrol writes to /etc/slipway/node.json."""

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
TASK_DRIVERS = ("exec", "raw_exec")

Fields = dict[str, Any]
"""A JSON object that is not validated yet."""


class NodeError(Exception):
    """The node is not enrolled, or its description is invalid; the message names the field."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a cluster.

    ``primes`` are the private addresses of all primes. ``bootstrap_expect`` is the number of
    servers that bootstrap a new cluster; it is 0 on a server that joins one. ``cluster``
    identifies the cluster that a worker belongs to; it is empty on primes.
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
    def is_prime(self) -> bool:
        return self.role == "prime"

    def render(self) -> str:
        """Return the text of ``FILE``, which ``parse`` reads."""
        fields = {**vars(self), "vpc_cidr": str(self.vpc)}
        del fields["vpc"]
        return json.dumps(fields, indent=2) + "\n"


def require_text(fields: Fields, name: str) -> str:
    """Return the text of a field.

    Raises:
        NodeError: the field is missing or not a text.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise NodeError(f"{name} is missing or not a text")
    return value


def parse(fields: Fields) -> Node:
    """Return the node that the fields describe.

    Raises:
        NodeError: a field is missing or invalid.
    """
    for name, allowed in (("role", ROLES), ("task_driver", TASK_DRIVERS)):
        if require_text(fields, name) not in allowed:
            raise NodeError(f"{name} is {fields[name]}; it must be {' or '.join(allowed)}")
    for name in ("name", "datacenter"):
        if not NAME.fullmatch(require_text(fields, name)):
            raise NodeError(
                f"{name} is {fields[name]!r}; it must have 1 to 63 characters of a-z, 0-9 and -"
            )
    primes, bootstrap_expect = fields.get("primes"), fields.get("bootstrap_expect")
    if (
        not isinstance(primes, list)
        or not primes
        or not all(isinstance(prime, str) for prime in primes)
    ):
        raise NodeError("primes must list the primes' private addresses")
    if (
        not isinstance(bootstrap_expect, int)
        or isinstance(bootstrap_expect, bool)
        or bootstrap_expect < 0
    ):
        raise NodeError("bootstrap_expect must be 0 or more")
    try:
        return Node(
            name=fields["name"],
            role=fields["role"],
            datacenter=fields["datacenter"],
            vpc=IPv4Network(require_text(fields, "vpc_cidr")),
            task_driver=fields["task_driver"],
            primes=[str(IPv4Address(prime)) for prime in primes],
            bootstrap_expect=bootstrap_expect,
            cluster=require_text(fields, "cluster"),
        )
    except ValueError as error:
        raise NodeError(str(error)) from None


def read() -> Node:
    """Return this node as it was enrolled.

    Raises:
        NodeError: the node is not enrolled.
    """
    try:
        return parse(json.loads(FILE.read_text()))
    except FileNotFoundError:
        raise NodeError(f"{FILE} is missing: this machine is not enrolled") from None
    except (ValueError, NodeError) as error:
        raise NodeError(f"{FILE}: {error}") from None


def find_private_address(vpc: IPv4Network) -> tuple[str, IPv4Address]:
    """Return the interface that is in ``vpc``, and its address.

    Private ranges do not identify it: in a rehearsal, public addresses are in such a range too.

    Raises:
        NodeError: no interface has an address in ``vpc``, or not yet.
    """
    command = ["ip", "-json", "-4", "address", "show"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for link in json.loads(output):
        for address in link.get("addr_info", []):
            if "local" in address and IPv4Address(address["local"]) in vpc:
                return link["ifname"], IPv4Address(address["local"])
    raise NodeError(f"no interface has an address in {vpc}")
