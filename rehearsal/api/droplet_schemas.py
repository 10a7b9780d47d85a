"""The JSON of a droplet, which several resources return."""

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

BACKUP_WINDOW_LENGTH = timedelta(hours=4)
_WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]

IPV6_NETWORK = IPv6Network("2001:db8::/64")
"""A range for documentation (RFC 3849). Responses have IPv6 addresses, machines have none."""


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
    def from_record(
        cls, droplet: records.Droplet, networks: Networks, snapshots: list[int]
    ) -> "Droplet":
        size = SIZES[droplet.size]
        return cls(
            id=droplet.id,
            name=droplet.name,
            memory=size.memory,
            vcpus=size.vcpus,
            disk=droplet.disk,
            disk_info=[DiskInfo(type="local", size=DiskSize(amount=droplet.disk, unit="gib"))],
            locked=droplet.pending_action_id is not None,
            status=droplet.status,
            created_at=droplet.created_at,
            features=droplet.features,
            next_backup_window=_next_backup_window(droplet),
            snapshot_ids=snapshots,
            image=Image.from_record(droplet.image),
            size=size,
            size_slug=size.slug,
            networks=networks,
            region=REGIONS[droplet.region],
            tags=droplet.tags,
            vpc_uuid=droplet.vpc_id,
        )


_cache: dict[int, tuple[records.Droplet, list[int], list[IPv4Address], Droplet]] = {}
"""The last result for each droplet, with what it was built from. Records are immutable."""

MAX_CACHED = 10_000


def build_droplet(store: Store, config: CloudConfig, droplet: records.Droplet) -> Droplet:
    """Return the JSON of a droplet, from the cache if nothing has changed."""
    snapshots = [image.id for image in lookup.list_images(store) if image.droplet_id == droplet.id]
    reserved_ips = [
        reserved_ip.public_ip
        for reserved_ip in store.all(records.ReservedIp)
        if reserved_ip.droplet_id == droplet.id
    ]
    cached = _cache.get(droplet.id)
    if cached and cached[0] is droplet and cached[1:3] == (snapshots, reserved_ips):
        return cached[3]
    if len(_cache) >= MAX_CACHED:
        _cache.clear()
    networks = _networks(store, config, droplet, reserved_ips)
    result = Droplet.from_record(droplet, networks, snapshots)
    _cache[droplet.id] = (droplet, snapshots, reserved_ips, result)
    return result


def _networks(
    store: Store, config: CloudConfig, droplet: records.Droplet, reserved_ips: list[IPv4Address]
) -> Networks:
    """Return the droplet's addresses.

    The reserved IP is last: clients use the first public address as the droplet's own.
    """
    if droplet.status is DropletStatus.NEW:
        return Networks()
    vpc = lookup.get_vpc(store, droplet.vpc_id)
    v4 = [
        _v4(droplet.public_ip, config.public_network, config.gateway, "public"),
        _v4(droplet.private_ip, vpc.ip_range, vpc.gateway, "private"),
        *(
            _v4(address, config.public_network, config.gateway, "public")
            for address in reserved_ips
        ),
    ]
    if "ipv6" not in droplet.features:
        return Networks(v4=v4)
    address = IPv6Address(int(IPV6_NETWORK.network_address) + droplet.id)
    return Networks(
        v4=v4,
        v6=[
            NetworkV6(
                ip_address=str(address),
                netmask=IPV6_NETWORK.prefixlen,
                gateway=str(IPV6_NETWORK[1]),
                type="public",
            )
        ],
    )


def _v4(address: IPv4Address, network: IPv4Network, gateway: IPv4Address, kind: str) -> NetworkV4:
    return NetworkV4(
        ip_address=str(address), netmask=str(network.netmask), gateway=str(gateway), type=kind
    )


def _next_backup_window(droplet: records.Droplet) -> BackupWindow | None:
    """Return the first window after the droplet's creation."""
    policy = droplet.backup_policy
    if policy is None:
        return None
    created = datetime.fromisoformat(droplet.created_at)
    start = created.replace(hour=policy.hour, minute=0, second=0) + timedelta(days=1)
    if policy.plan == "weekly":
        start += timedelta(days=(_WEEKDAYS.index(policy.weekday) - start.weekday()) % 7)
    return BackupWindow(start=start, end=start + BACKUP_WINDOW_LENGTH)
