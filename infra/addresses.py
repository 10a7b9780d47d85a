"""Arithmetic of addresses and names; no Pulumi, no network."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

Network = IPv4Network | IPv6Network

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918: a VPC lies in one of these."""

RESERVED_RANGES = tuple(
    map(IPv4Network, ("10.229.0.0/16", "10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24"))
)
"""Ranges that DigitalOcean keeps for itself in every region."""

RESERVED_ADDRESSES = 8
"""Addresses of a VPC that no droplet gets: network, broadcast, gateway, load balancer and what the cloud keeps."""

SPACES_REGIONS = (
    "ams3",
    "atl1",
    "blr1",
    "fra1",
    "lon1",
    "nyc3",
    "sfo2",
    "sfo3",
    "sgp1",
    "syd1",
    "tor1",
)
"""Where buckets can be; the API does not tell."""


def droplet_name(role: str, number: int, region: str) -> str:
    """``worker01nyc3``: role, two digits (three from the hundredth on), region, so that a name tells all."""
    return f"{role}{number:02d}{region}"


def prefix(project: str, stack: str) -> str:
    """``slipway-dev``: every name and tag of a stack starts so, and two stacks of one account never mix."""
    return f"{project}-{stack}"


def bucket_name(prefix: str, region: str, account: str) -> str:
    """A bucket name that no other account has: all accounts share one space of names, so a hash of ours is in it."""
    return f"{prefix}-{region}-{hashlib.sha256(account.encode()).hexdigest()[:10]}"


def capacity(network: IPv4Network) -> int:
    """How many droplets a VPC holds."""
    return network.num_addresses - RESERVED_ADDRESSES


def is_private(network: IPv4Network) -> bool:
    return any(network.subnet_of(private) for private in PRIVATE)


def overlapping(network: IPv4Network, others: Iterable[IPv4Network]) -> list[IPv4Network]:
    return [other for other in others if network.overlaps(other)]


def is_everyone(networks: Sequence[Network]) -> bool:
    """Whether the networks together are the whole Internet, in one piece or in several."""
    v4 = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
    v6 = collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
    return any(network.prefixlen == 0 for network in v4) or any(
        network.prefixlen == 0 for network in v6
    )


def is_slug(name: str) -> bool:
    """Whether a name is allowed wherever the stack's name goes: droplet tags, VPCs, firewalls, buckets."""
    return re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None and len(name) <= 30
