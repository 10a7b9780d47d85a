"""A droplet as every answer shows it, in its own room and wherever something points to one."""

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pydantic import BaseModel

from rehearsal.api.schemas import Image
from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.catalog.sizes import SIZES, DiskInfo, DiskSize, Size
from rehearsal.config import CloudConfig
from rehearsal.state import lookup, records
from rehearsal.state.states import DropletStatus
from rehearsal.state.store import Store

BACKUP_WINDOW = timedelta(hours=4)
_WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]

IPV6 = IPv6Network("2001:db8::/64")
"""Reserved for documentation: IPv6 is shown, but no machine has it."""


class NetworkV4(BaseModel):
    ip_address: str
    netmask: str
    gateway: str
    type: str


class NetworkV6(BaseModel):
    ip_address: str
    netmask: int
    gateway: str
    type: str


class Networks(BaseModel):
    v4: list[NetworkV4] = []
    v6: list[NetworkV6] = []


class BackupWindow(BaseModel):
    start: datetime
    end: datetime


class Droplet(BaseModel):
    id: int
    name: str
    memory: int
    vcpus: int
    disk: int
    disk_info: list[DiskInfo]
    locked: bool
    status: str
    kernel: None = None
    created_at: str
    features: list[str]
    backup_ids: list[int] = []
    next_backup_window: BackupWindow | None
    snapshot_ids: list[int]
    image: Image
    volume_ids: list[str] = []
    size: Size
    size_slug: str
    networks: Networks
    region: Region
    tags: list[str]
    vpc_uuid: str

    @classmethod
    def of(cls, droplet: records.Droplet, networks: Networks, snapshots: list[int]) -> "Droplet":
        size = SIZES[droplet.size]
        return cls(
            id=droplet.id,
            name=droplet.name,
            memory=size.memory,
            vcpus=size.vcpus,
            disk=droplet.disk,
            disk_info=[DiskInfo(type="local", size=DiskSize(amount=droplet.disk, unit="gib"))],
            locked=droplet.pending is not None,
            status=droplet.status,
            created_at=droplet.created_at,
            features=droplet.features,
            next_backup_window=_window(droplet),
            snapshot_ids=snapshots,
            image=Image.of(droplet.image),
            size=size,
            size_slug=size.slug,
            networks=networks,
            region=REGIONS[droplet.region],
            tags=droplet.tags,
            vpc_uuid=droplet.vpc_id,
        )


_made: dict[int, tuple[records.Droplet, list[int], list[IPv4Address], Droplet]] = {}
"""By id, what a droplet was last shown as, and from what: records never change, so the same ones look the same."""

MOST_MADE = 10_000


def shown(store: Store, config: CloudConfig, droplet: records.Droplet) -> Droplet:
    snapshots = [image.id for image in lookup.images(store) if image.droplet_id == droplet.id]
    reserved = [
        address.public
        for address in store.all(records.ReservedIp)
        if address.droplet_id == droplet.id
    ]
    former = _made.get(droplet.id)
    if former and former[0] is droplet and former[1:3] == (snapshots, reserved):
        return former[3]
    if len(_made) >= MOST_MADE:
        _made.clear()
    looks = Droplet.of(droplet, _networks(store, config, droplet, reserved), snapshots)
    _made[droplet.id] = (droplet, snapshots, reserved, looks)
    return looks


def _networks(
    store: Store, config: CloudConfig, droplet: records.Droplet, reserved: list[IPv4Address]
) -> Networks:
    """The reserved IP is the last: clients take the first public address for the droplet's own."""
    if droplet.status is DropletStatus.NEW:
        return Networks()
    vpc = lookup.vpc(store, droplet.vpc_id)
    v4 = [
        _v4(droplet.public, config.public_network, config.gateway, "public"),
        _v4(droplet.private, vpc.range, vpc.gateway, "private"),
        *(_v4(address, config.public_network, config.gateway, "public") for address in reserved),
    ]
    if "ipv6" not in droplet.features:
        return Networks(v4=v4)
    address = IPv6Address(int(IPV6.network_address) + droplet.id)
    return Networks(
        v4=v4,
        v6=[
            NetworkV6(
                ip_address=str(address), netmask=IPV6.prefixlen, gateway=str(IPV6[1]), type="public"
            )
        ],
    )


def _v4(address: IPv4Address, network: IPv4Network, gateway: IPv4Address, kind: str) -> NetworkV4:
    return NetworkV4(
        ip_address=str(address), netmask=str(network.netmask), gateway=str(gateway), type=kind
    )


def _window(droplet: records.Droplet) -> BackupWindow | None:
    """The first one after the droplet's creation."""
    policy = droplet.backup_policy
    if policy is None:
        return None
    created = datetime.fromisoformat(droplet.created_at)
    start = created.replace(hour=policy.hour, minute=0, second=0) + timedelta(days=1)
    if policy.plan == "weekly":
        start += timedelta(days=(_WEEKDAYS.index(policy.weekday) - start.weekday()) % 7)
    return BackupWindow(start=start, end=start + BACKUP_WINDOW)
