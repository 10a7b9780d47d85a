"""Arithmetic of networks and addresses."""

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
