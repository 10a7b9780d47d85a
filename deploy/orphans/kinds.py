"""The kinds of resources in the account: how each is listed, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from infra.digitalocean_api import LOAD_BALANCER_NODE_MONTHLY_USD

IMAGE_MONTHLY_USD_PER_GB = 0.06
VOLUME_MONTHLY_USD_PER_GB = 0.1
SPACES_MONTHLY_USD = 5.0

BUCKET = "bucket"
BUCKET_TYPE = "digitalocean:index/spacesBucket:SpacesBucket"
IMAGE_TYPE = "pulumi-python:dynamic/slipway:Snapshot"
VPC_TYPE = "digitalocean:index/vpc:Vpc"


@dataclass(frozen=True)
class Kind:
    """A kind of resource, by its requests to the API."""

    name: str
    type: str
    """Pulumi's type token."""
    path: str
    key: str
    """Name of the list in the response."""
    id_field: str = "id"
    query: tuple[tuple[str, str], ...] = ()
    is_made: bool = True
    """Whether the program makes resources of this kind."""

    def url(self, id: str) -> str:
        return f"/v2/{self.path}/{quote(id, safe='')}"


def _kind(name: str, type: str, path: str, **fields: Any) -> Kind:
    return Kind(name, f"digitalocean:index/{type}", path, **{"key": path, **fields})


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind("load balancer", "loadBalancer:LoadBalancer", "load_balancers"),
        _kind("droplet", "droplet:Droplet", "droplets"),
        _kind("reserved IP", "reservedIp:ReservedIp", "reserved_ips", id_field="ip", is_made=False),
        _kind("volume", "volume:Volume", "volumes", is_made=False),
        _kind("certificate", "certificate:Certificate", "certificates", is_made=False),
        _kind("domain", "domain:Domain", "domains", id_field="name", is_made=False),
        _kind("firewall", "firewall:Firewall", "firewalls"),
        _kind("SSH key", "sshKey:SshKey", "account/keys", key="ssh_keys"),
        _kind(
            "Spaces key",
            "spacesKey:SpacesKey",
            "spaces/keys",
            key="keys",
            id_field="access_key",
        ),
        _kind("image", "dropletSnapshot:DropletSnapshot", "images", query=(("private", "true"),)),
        _kind("project", "project:Project", "projects"),
        _kind("tag", "tag:Tag", "tags", id_field="name"),
        _kind("VPC", "vpc:Vpc", "vpcs"),
    )
}
"""By name, in the order in which they are deleted. A bucket is found in Spaces instead."""


@dataclass(frozen=True)
class CloudResource:
    """A resource in the account, and what it costs."""

    kind: str
    id: str
    name: str
    monthly_usd: float = 0.0
    tags: frozenset[str] = frozenset()
    vpc: str = ""
    """Id of the VPC that it is in."""
    region: str = ""
    """Of a bucket."""

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "monthly_usd": self.monthly_usd,
        }

    def __str__(self) -> str:
        return f"the {self.kind} {self.name or self.id} (id {self.id})"


def from_response(kind: Kind, body: Mapping[str, Any]) -> CloudResource:
    """Return the resource that the API describes."""
    return CloudResource(
        kind.name,
        str(body[kind.id_field]),
        str(body.get("name") or ""),
        _monthly_usd(kind.name, body),
        frozenset(map(str, body.get("tags") or ())),
        str(body.get("vpc_uuid") or ""),
    )


def bucket(name: str, region: str) -> CloudResource:
    return CloudResource(BUCKET, name, name, SPACES_MONTHLY_USD, region=region)


def _monthly_usd(kind: str, body: Mapping[str, Any]) -> float:
    gigabytes = float(body.get("size_gigabytes") or 0.0)
    match kind:
        case "droplet":
            return float(body.get("size", {}).get("price_monthly", 0.0))
        case "load balancer":
            return LOAD_BALANCER_NODE_MONTHLY_USD * int(body.get("size_unit") or 1)
        case "image":
            return round(IMAGE_MONTHLY_USD_PER_GB * gigabytes, 2)
        case "volume":
            return round(VOLUME_MONTHLY_USD_PER_GB * gigabytes, 2)
    return 0.0
