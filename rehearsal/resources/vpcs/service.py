"""VPCs: separate ranges, unique names, and one default VPC in each region."""

from ipaddress import IPv4Network
from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import forbidden, unprocessable
from rehearsal.resources.vpcs.schemas import VpcCreate, VpcReplace, VpcUpdate
from rehearsal.state import addressing, lookup
from rehearsal.state.records import Droplet, LoadBalancer, Vpc
from rehearsal.topology.protocol import MachineError

PRIVATE_RANGES = [
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
]
RESERVED_RANGES = [
    IPv4Network(range)
    for range in ("10.229.0.0/16", "10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24")
]
"""Ranges that DigitalOcean uses in each region."""

MIN_PREFIX, MAX_PREFIX = 16, 28


async def create(cloud: Cloud, body: VpcCreate) -> Vpc:
    """Create a VPC.

    Raises:
        ApiError: 422 for the first invalid field.
    """
    if lookup.find_region(body.region) is None:
        raise unprocessable(f"Region {body.region} is not available.")
    _check_name(cloud, body.name)
    vpc = Vpc(
        id=str(uuid4()),
        name=body.name,
        description=body.description,
        region=body.region,
        ip_range=_check_range(cloud, body.ip_range)
        if body.ip_range
        else addressing.find_free_range(cloud.store),
        is_default=False,
        created_at=now(),
    )
    with cloud.store.transaction():
        cloud.store.put(vpc)
    try:
        await cloud.network.reconcile()
    except MachineError:
        with cloud.store.transaction():
            cloud.store.delete(vpc)
        raise
    return vpc


def update(cloud: Cloud, vpc: Vpc, body: VpcReplace | VpcUpdate) -> Vpc:
    """Change the name or description of a VPC, or make it its region's default.

    Raises:
        ApiError: 422 for a name in use.
    """
    if body.name is not None and body.name != vpc.name:
        _check_name(cloud, body.name)
    changes = body.model_dump(exclude_none=True, include={"name", "description"})
    with cloud.store.transaction():
        if body.default:
            for other in cloud.store.all(Vpc):
                if other.region == vpc.region and other.is_default:
                    cloud.store.put(other.model_copy(update={"is_default": False}))
            changes["is_default"] = True
        changed = vpc.model_copy(update=changes)
        cloud.store.put(changed)
    return changed


async def delete(cloud: Cloud, vpc: Vpc) -> None:
    """Delete a VPC.

    Raises:
        ApiError: 403 for a default VPC, or one with members.
    """
    if vpc.is_default:
        raise forbidden("Can not delete default VPCs")
    owners: list[Droplet | LoadBalancer] = [
        *cloud.store.all(Droplet),
        *cloud.store.all(LoadBalancer),
    ]
    if any(owner.vpc_id == vpc.id for owner in owners):
        raise forbidden("Can not delete VPC with members")
    with cloud.store.transaction():
        cloud.store.delete(vpc)
    await cloud.network.reconcile()


def list_members(cloud: Cloud, vpc: Vpc, resource_type: str) -> list[Droplet | LoadBalancer]:
    members: list[Droplet | LoadBalancer] = [
        *lookup.list_droplets(cloud.store),
        *cloud.store.all(LoadBalancer),
    ]
    return [
        member
        for member in members
        if member.vpc_id == vpc.id and resource_type in ("", member.urn.split(":")[1])
    ]


def _check_name(cloud: Cloud, name: str) -> None:
    if any(vpc.name == name for vpc in cloud.store.all(Vpc)):
        raise unprocessable("A VPC with the same name already exists.")


def _check_range(cloud: Cloud, text: str) -> IPv4Network:
    try:
        ip_range = IPv4Network(text)
    except ValueError:
        raise unprocessable(f"ip_range {text!r} is not a network in CIDR notation.") from None
    if not any(ip_range.subnet_of(private) for private in PRIVATE_RANGES):
        raise unprocessable("ip_range must be a private network as in RFC 1918.")
    if not MIN_PREFIX <= ip_range.prefixlen <= MAX_PREFIX:
        raise unprocessable(f"ip_range must be between /{MIN_PREFIX} and /{MAX_PREFIX}.")
    if any(ip_range.overlaps(reserved) for reserved in RESERVED_RANGES):
        raise unprocessable(
            "ip_range overlaps with a range that is reserved for DigitalOcean's own use."
        )
    for vpc in cloud.store.all(Vpc):
        if vpc.ip_range.overlaps(ip_range):
            raise unprocessable(
                f"This range/size overlaps with another VPC network in your account: {vpc.ip_range}"
            )
    if cloud.machines.has_network and addressing.overlaps_other_accounts(cloud.store, ip_range):
        raise unprocessable(
            f"ip_range {text} overlaps with a VPC of another account, "
            "and all accounts of the rehearsal cloud share one network."
        )
    return ip_range
