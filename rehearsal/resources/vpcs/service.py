"""VPCs: ranges that do not overlap, names that are unique, one default a region."""

from ipaddress import IPv4Network
from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import forbidden, unprocessable
from rehearsal.resources.vpcs.schemas import VpcCreate, VpcReplace, VpcUpdate
from rehearsal.state import addressing, lookup
from rehearsal.state.records import Droplet, LoadBalancer, Vpc
from rehearsal.topology.protocol import MachineError

PRIVATE = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]
TAKEN = [
    IPv4Network(range)
    for range in ("10.229.0.0/16", "10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24")
]
"""DigitalOcean's own, in every region."""

LARGEST, SMALLEST = 16, 28


async def create(cloud: Cloud, body: VpcCreate) -> Vpc:
    if lookup.find_region(body.region) is None:
        raise unprocessable(f"Region {body.region} is not available.")
    _check_name(cloud, body.name)
    vpc = Vpc(
        id=str(uuid4()),
        name=body.name,
        description=body.description,
        region=body.region,
        ip_range=_range(cloud, body.ip_range)
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


def replace(cloud: Cloud, vpc: Vpc, body: VpcReplace | VpcUpdate) -> Vpc:
    """Give a VPC another name or description, or make it the default of its region."""
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
    """Raises: ApiError 403 for a default VPC, or one that something is in."""
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


def members(cloud: Cloud, vpc: Vpc, resource_type: str) -> list[Droplet | LoadBalancer]:
    found: list[Droplet | LoadBalancer] = [
        *lookup.list_droplets(cloud.store),
        *cloud.store.all(LoadBalancer),
    ]
    return [
        member
        for member in found
        if member.vpc_id == vpc.id and resource_type in ("", member.urn.split(":")[1])
    ]


def _check_name(cloud: Cloud, name: str) -> None:
    if any(vpc.name == name for vpc in cloud.store.all(Vpc)):
        raise unprocessable("A VPC with the same name already exists.")


def _range(cloud: Cloud, text: str) -> IPv4Network:
    try:
        range = IPv4Network(text)
    except ValueError:
        raise unprocessable(f"ip_range {text!r} is not a network in CIDR notation.") from None
    if not any(range.subnet_of(private) for private in PRIVATE):
        raise unprocessable("ip_range must be a private network as in RFC 1918.")
    if not LARGEST <= range.prefixlen <= SMALLEST:
        raise unprocessable(f"ip_range must be between /{LARGEST} and /{SMALLEST}.")
    if any(range.overlaps(taken) for taken in TAKEN):
        raise unprocessable(
            "ip_range overlaps with a range that is reserved for DigitalOcean's own use."
        )
    for vpc in cloud.store.all(Vpc):
        if vpc.ip_range.overlaps(range):
            raise unprocessable(
                f"This range/size overlaps with another VPC network in your account: {vpc.ip_range}"
            )
    if cloud.machines.has_network and addressing.overlaps_other_accounts(cloud.store, range):
        raise unprocessable(
            "On real machines the rehearsal cloud's accounts share one network: another account has a VPC there."
        )
    return range
