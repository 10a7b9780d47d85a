"""The combinations of settings that are wrong, and their remedies."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from infra import addresses
from infra.settings.sources import ENVIRONMENT

if TYPE_CHECKING:
    from infra.settings import Settings

AGENT_PORTS = frozenset({22, 53, *range(4646, 4649), *range(8300, 8303), *range(8500, 8504), 8600})
"""Ports of sshd, Consul and Nomad."""

UNUSABLE_NOMAD_VERSIONS = frozenset({"1.11.2"})
"""Nomad 1.11.2 fails to download an artifact to a file: "readdirent ...: not a directory"."""


class Problem(NamedTuple):
    """A wrong combination of settings; ``fields`` starts with the one to change."""

    fields: tuple[str, ...]
    text: str


def cross_field_checks(settings: "Settings") -> Iterator[Problem]:
    """Yield the problems that no field's own validation finds."""
    if settings.region not in addresses.VPC_RANGES:
        yield Problem(
            ("region",),
            f"{settings.region} has no Spaces, which store the services; "
            f"choose one of {', '.join(addresses.VPC_RANGES)}",
        )
    if settings.workers < settings.service_count + 1:
        yield Problem(
            ("workers", "service_count"),
            f"{settings.workers} workers cannot run {settings.service_count} instances on a fixed "
            "port and the canary of an update: "
            f"set at least {settings.service_count + 1}, or a lower service_count",
        )
    if settings.frontserve_port in AGENT_PORTS:
        yield Problem(
            ("frontserve_port",),
            f"{settings.frontserve_port} is a port of sshd, Consul or Nomad; "
            "set another, for example 8085",
        )
    if settings.nomad_version in UNUSABLE_NOMAD_VERSIONS:
        yield Problem(
            ("nomad_version",),
            f"Nomad {settings.nomad_version} cannot download the services' artifacts; "
            "set a later version",
        )
    yield from _check_vpc(settings)
    yield from _check_admin_networks(settings)


def _check_vpc(settings: "Settings") -> Iterator[Problem]:
    vpc = settings.vpc_cidr
    machines = settings.primes + settings.workers
    if not (16 <= vpc.prefixlen <= 28 and addresses.is_private(vpc)):
        yield Problem(
            ("vpc_cidr",),
            f"{vpc} is not a private range from /16 to /28; set one, for example 10.10.0.0/20",
        )
    elif reserved := addresses.overlapping(vpc, addresses.RESERVED_RANGES):
        yield Problem(
            ("vpc_cidr",),
            f"{vpc} overlaps {reserved[0]}, which DigitalOcean reserves; set another range",
        )
    # A replaced machine keeps its address until the new one has joined.
    elif 2 * machines > (capacity := max(addresses.capacity(vpc), 0)):
        yield Problem(
            ("vpc_cidr", "primes", "workers"),
            f"{vpc} has addresses for {capacity} droplets, and the stack has up to {2 * machines} "
            f"while its {machines} machines are replaced; set a larger range",
        )


def _check_admin_networks(settings: "Settings") -> Iterator[Problem]:
    if not settings.admin_cidrs:
        yield Problem(
            ("admin_cidrs",),
            "required; list the networks that you work from, "
            f"in Pulumi.<stack>.yaml or in {ENVIRONMENT['admin_cidrs']}",
        )
    elif addresses.is_everyone(settings.admin_cidrs):
        yield Problem(
            ("admin_cidrs",),
            f"{', '.join(map(str, settings.admin_cidrs))} opens SSH, Nomad and Consul to everyone; "
            "list only the networks that you work from",
        )
    ipv4 = [
        network
        for network in settings.admin_cidrs
        if isinstance(network, IPv4Network) and network.prefixlen
    ]
    for network in addresses.overlapping(settings.vpc_cidr, ipv4):
        yield Problem(
            ("admin_cidrs", "vpc_cidr"),
            f"{network} overlaps vpc_cidr {settings.vpc_cidr}, so every machine of the stack would "
            "have the administrators' access; remove it",
        )
