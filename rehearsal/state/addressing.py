"""Allocation of public and private addresses, VPC ranges and MAC addresses."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from uuid import uuid4

from rehearsal.clock import now
from rehearsal.config import CloudConfig
from rehearsal.errors import unprocessable
from rehearsal.state.records import Droplet, LoadBalancer, ReservedIp, Vpc
from rehearsal.state.store import Store

AUTOMATIC_RANGES = IPv4Network("10.96.0.0/11")
"""The range of VPCs for which the client gives none."""

AUTOMATIC_PREFIX = 20


def free_public_addresses(store: Store, config: CloudConfig) -> Iterator[IPv4Address]:
    """Yield free public addresses, beginning after the last one; call in a transaction.

    Raises:
        ApiError: 422 after the last free address.
    """
    used = {owner.public_ip for owner in (*_owners(store), *store.all_accounts(ReservedIp))}
    first, end = config.first_assignable_address, config.public_network.broadcast_address
    return _free_addresses(store, "public", first, end, used, "public addresses")


def free_private_addresses(store: Store, vpc: Vpc) -> Iterator[IPv4Address]:
    """Yield free addresses of a VPC, beginning after the last one; call in a transaction.

    Raises:
        ApiError: 422 after the last free address.
    """
    used = {owner.private_ip for owner in _owners(store) if owner.vpc_id == vpc.id}
    first, end = vpc.gateway + 1, vpc.ip_range.broadcast_address
    return _free_addresses(store, vpc.id, first, end, used, f"addresses in VPC {vpc.name}")


def mac_address(droplet_id: int, interface: int) -> str:
    """Return a locally administered MAC address for interface 0 (public) or 1 (private)."""
    return ":".join(f"{byte:02x}" for byte in (2, interface, *droplet_id.to_bytes(4, "big")))


def find_free_range(store: Store) -> IPv4Network:
    """Return a range that overlaps with no VPC of any account.

    Raises:
        ApiError: 422 if there is none.
    """
    used = [vpc.ip_range for vpc in store.all_accounts(Vpc)]
    for candidate in AUTOMATIC_RANGES.subnets(new_prefix=AUTOMATIC_PREFIX):
        if not any(candidate.overlaps(ip_range) for ip_range in used):
            return candidate
    raise unprocessable("There is no free IP range left for another VPC.")


def overlaps_other_accounts(store: Store, ip_range: IPv4Network) -> bool:
    """Return whether another account has a VPC in a range.

    Real machines of all accounts share one network namespace, where ranges must not overlap.
    """
    own_ids = {vpc.id for vpc in store.all(Vpc)}
    return any(
        vpc.ip_range.overlaps(ip_range) for vpc in store.all_accounts(Vpc) if vpc.id not in own_ids
    )


def ensure_default_vpc(store: Store, region: str) -> Vpc:
    """Return the region's default VPC, or create it; call in a transaction."""
    for vpc in store.all(Vpc):
        if vpc.region == region and vpc.is_default:
            return vpc
    names = {vpc.name for vpc in store.all(Vpc)}
    name = f"default-{region}"
    vpc = Vpc(
        id=str(uuid4()),
        name=name if name not in names else f"{name}-{uuid4().hex[:6]}",
        description="",
        region=region,
        ip_range=find_free_range(store),
        is_default=True,
        created_at=now(),
    )
    store.put(vpc)
    return vpc


def _owners(store: Store) -> list[Droplet | LoadBalancer]:
    return [*store.all_accounts(Droplet), *store.all_accounts(LoadBalancer)]


def _free_addresses(
    store: Store,
    pool: str,
    first: IPv4Address,
    end: IPv4Address,
    used: set[IPv4Address],
    description: str,
) -> Iterator[IPv4Address]:
    """Yield the free addresses of a pool in turn.

    An address is not reused at once: its neighbours may still have its former MAC address.
    """
    count = int(end) - int(first)
    start = store.next_id(f"address {pool}", 0)
    yield from (
        address
        for offset in range(count)
        if (address := first + (start + offset) % count) not in used
    )
    raise unprocessable(f"There are no free {description} left.")
