"""Which addresses are taken and which come next: public ones, private ones, whole ranges, MACs."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from uuid import uuid4

from rehearsal.clock import now
from rehearsal.config import CloudConfig
from rehearsal.errors import unprocessable
from rehearsal.state.records import Balancer, Droplet, ReservedIp, Vpc
from rehearsal.state.store import Store

AUTOMATIC_RANGES = IPv4Network("10.96.0.0/11")
"""Where VPCs get their range when none is asked for."""

AUTOMATIC_PREFIX = 20


def free_public(store: Store, config: CloudConfig) -> Iterator[IPv4Address]:
    """The cloud's public addresses that nobody has, the one after the last given first; only in a transaction."""
    taken = {owner.public for owner in (*_owners(store), *store.everywhere(ReservedIp))}
    return _free(
        store,
        "public",
        config.first_assignable_address,
        config.public_network.broadcast_address,
        taken,
        "public addresses",
    )


def free_private(store: Store, vpc: Vpc) -> Iterator[IPv4Address]:
    """The VPC's addresses that nobody has, likewise; its first is the gateway."""
    taken = {owner.private for owner in _owners(store) if owner.vpc_id == vpc.id}
    return _free(
        store,
        vpc.id,
        vpc.range[2],
        vpc.range.broadcast_address,
        taken,
        f"addresses in VPC {vpc.name}",
    )


def mac(droplet_id: int, card: int) -> str:
    """A locally administered address for a droplet's ``card`` (0 public, 1 private)."""
    return ":".join(f"{byte:02x}" for byte in (2, card, *droplet_id.to_bytes(4, "big")))


def free_range(store: Store) -> IPv4Network:
    """A range that no VPC of any account overlaps."""
    taken = [vpc.range for vpc in store.everywhere(Vpc)]
    for candidate in AUTOMATIC_RANGES.subnets(new_prefix=AUTOMATIC_PREFIX):
        if not any(candidate.overlaps(range) for range in taken):
            return candidate
    raise unprocessable("There is no free IP range left for another VPC.")


def overlaps_another_account(store: Store, range: IPv4Network) -> bool:
    """Whether somebody else has a VPC there, which real machines cannot have twice: their VPCs meet in one namespace."""
    own = {vpc.id for vpc in store.all(Vpc)}
    return any(vpc.range.overlaps(range) for vpc in store.everywhere(Vpc) if vpc.id not in own)


def default_vpc(store: Store, region: str) -> Vpc:
    """The region's default VPC, made when it is first needed; only in a transaction."""
    for vpc in store.all(Vpc):
        if vpc.region == region and vpc.default:
            return vpc
    names = {vpc.name for vpc in store.all(Vpc)}
    name = f"default-{region}"
    vpc = Vpc(
        id=str(uuid4()),
        name=name if name not in names else f"{name}-{uuid4().hex[:6]}",
        description="",
        region=region,
        range=free_range(store),
        default=True,
        created_at=now(),
    )
    store.put(vpc)
    return vpc


def _owners(store: Store) -> list[Droplet | Balancer]:
    return [*store.everywhere(Droplet), *store.everywhere(Balancer)]


def _free(
    store: Store,
    pool: str,
    first: IPv4Address,
    end: IPv4Address,
    taken: set[IPv4Address],
    what: str,
) -> Iterator[IPv4Address]:
    """In turn: an address that was just given back is not given again at once, for its neighbours still remember its former MAC."""
    count = int(end) - int(first)
    start = store.next_id(f"address {pool}", 0)
    yield from (
        address
        for offset in range(count)
        if (address := first + (start + offset) % count) not in taken
    )
    raise unprocessable(f"There are no free {what} left.")
