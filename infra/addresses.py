"""Arithmetic of networks and addresses."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

Network = IPv4Network | IPv6Network

PRIVATE_RANGES = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918. A VPC must be in one of these ranges."""

RESERVED_RANGES = tuple(
    map(IPv4Network, ("10.229.0.0/16", "10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24"))
)
"""Ranges that DigitalOcean reserves in every region."""

RESERVED_ADDRESSES = 8
"""Addresses of a VPC that no droplet gets, such as those of the network, the broadcast and the
gateway."""

VPC_RANGES = {
    "ams3": IPv4Network("10.10.16.0/20"),
    "atl1": IPv4Network("10.10.32.0/20"),
    "blr1": IPv4Network("10.10.48.0/20"),
    "fra1": IPv4Network("10.10.64.0/20"),
    "lon1": IPv4Network("10.10.80.0/20"),
    "nyc3": IPv4Network("10.10.0.0/20"),
    "sfo2": IPv4Network("10.10.96.0/20"),
    "sfo3": IPv4Network("10.10.112.0/20"),
    "sgp1": IPv4Network("10.10.128.0/20"),
    "syd1": IPv4Network("10.10.144.0/20"),
    "tor1": IPv4Network("10.10.160.0/20"),
}
"""The default range of a VPC in each region with Spaces, which the API does not return.

The ranges of an account must not overlap, so a stack that moves has another range in each region.
"""


def capacity(network: IPv4Network) -> int:
    """Return how many droplets a VPC can have."""
    return network.num_addresses - RESERVED_ADDRESSES


def is_private(network: IPv4Network) -> bool:
    return any(network.subnet_of(private) for private in PRIVATE_RANGES)


def overlapping(network: IPv4Network, others: Iterable[IPv4Network]) -> list[IPv4Network]:
    """Return those of ``others`` that overlap ``network``."""
    return [other for other in others if network.overlaps(other)]


def find_free(network: IPv4Network, taken: Sequence[IPv4Network]) -> IPv4Network | None:
    """Return the first private range of the size of ``network`` that overlaps none of ``taken``.

    The search starts at ``network``; None if every range after it in its private range is taken.
    """
    private = next(candidate for candidate in PRIVATE_RANGES if network.subnet_of(candidate))
    first = int(network.network_address)
    for address in range(first, int(private.broadcast_address), network.num_addresses):
        candidate = IPv4Network((address, network.prefixlen))
        if not overlapping(candidate, [*taken, *RESERVED_RANGES]):
            return candidate
    return None


def is_everyone(networks: Sequence[Network]) -> bool:
    """Whether the networks together contain all IPv4 or all IPv6 addresses."""
    ipv4 = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
    ipv6 = collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
    return any(network.prefixlen == 0 for family in (ipv4, ipv6) for network in family)
