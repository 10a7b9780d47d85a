"""What this node is told about its cluster: /etc/slipway/cluster.env, written by user_data."""

import json
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal, cast

ENV = Path("/etc/slipway/cluster.env")


class NotReadyError(Exception):
    """The node cannot join yet, or was told something wrong; the message names the remedy."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The node's part in its cluster. ``recursors`` is empty if the droplet's own resolvers are to be used."""

    role: Literal["prime", "worker"]
    datacenter: str
    node_name: str
    vpc: IPv4Network
    primes: list[str]
    bootstrap_expect: int
    recursors: list[str]
    task_driver: str


def _list(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def parse(text: str) -> Cluster:
    """Read ``KEY=value`` lines; quotes around a value and lines starting with # are left out.

    Raises:
        NotReadyError: naming what is missing or wrong.
    """
    lines = [line.strip() for line in text.splitlines()]
    values = {
        key.strip(): value.strip().strip("\"'")
        for key, found, value in (line.partition("=") for line in lines if not line.startswith("#"))
        if found
    }
    missing = [key for key in ("ROLE", "DATACENTER", "NODE_NAME", "VPC_CIDR") if not values.get(key)]
    if missing:
        raise NotReadyError(f"{ENV} lacks {', '.join(missing)}")
    if values["ROLE"] not in ("prime", "worker"):
        raise NotReadyError(f"{ENV}: ROLE is {values['ROLE']}; it must be prime or worker")
    primes = _list(values.get("PRIMES", ""))
    if values["ROLE"] == "worker" and not primes:
        raise NotReadyError(f"{ENV}: a worker needs PRIMES, the primes' private addresses")
    return Cluster(
        role=cast(Literal["prime", "worker"], values["ROLE"]),
        datacenter=values["DATACENTER"],
        node_name=values["NODE_NAME"],
        vpc=IPv4Network(values["VPC_CIDR"]),
        primes=primes,
        bootstrap_expect=int(values.get("BOOTSTRAP_EXPECT") or 1),
        recursors=_list(values.get("RECURSORS", "")),
        task_driver=values.get("TASK_DRIVER") or "exec",
    )


def set_primes(primes: list[str]) -> None:
    """Have the node join other primes from its next boot on."""
    lines = [f"PRIMES={','.join(primes)}" if line.startswith("PRIMES=") else line for line in ENV.read_text().splitlines()]
    fresh = ENV.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(ENV)


def read() -> Cluster:
    """Raises:
    NotReadyError: user_data has not written the file, or what it says is wrong.
    """
    try:
        return parse(ENV.read_text())
    except FileNotFoundError:
        raise NotReadyError(f"{ENV} is not there: user_data writes it") from None
    except ValueError as wrong:
        raise NotReadyError(f"{ENV}: {wrong}") from None


def private_address(vpc: IPv4Network) -> tuple[str, IPv4Address]:
    """The interface inside ``vpc`` and its address there.

    Never chosen by "is it private": a public address of a rehearsal counts as private too.

    Raises:
        NotReadyError: no interface has such an address (yet).
    """
    shown = subprocess.run(["ip", "-json", "-4", "address", "show"], capture_output=True, text=True, check=True).stdout
    for link in json.loads(shown):
        for address in link.get("addr_info", []):
            if "local" in address and IPv4Address(address["local"]) in vpc:
                return link["ifname"], IPv4Address(address["local"])
    raise NotReadyError(f"no interface has an address in {vpc}")
