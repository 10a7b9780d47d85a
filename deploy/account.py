"""What a stack has in the DigitalOcean account, asked of the API itself and not of Pulumi's state."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

REAL_API = "https://api.digitalocean.com"
REAL_SPACES = "https://{{.Region}}.digitaloceanspaces.com"
TIMEOUT_SECONDS = 30.0
PAGE = 200
LOAD_BALANCER_MONTHLY_USD = 12.0
"""For each node of a balancer."""
SNAPSHOT_MONTHLY_USD_PER_GB = 0.06
SPACES_MONTHLY_USD = 5.0

PATHS = {
    "digitalocean:index/certificate:Certificate": "certificates/{id}",
    "digitalocean:index/domain:Domain": "domains/{id}",
    "digitalocean:index/droplet:Droplet": "droplets/{id}",
    "digitalocean:index/dropletSnapshot:DropletSnapshot": "snapshots/{id}",
    "digitalocean:index/firewall:Firewall": "firewalls/{id}",
    "digitalocean:index/loadBalancer:LoadBalancer": "load_balancers/{id}",
    "digitalocean:index/project:Project": "projects/{id}",
    "digitalocean:index/reservedIp:ReservedIp": "reserved_ips/{id}",
    "digitalocean:index/sshKey:SshKey": "account/keys/{id}",
    "digitalocean:index/tag:Tag": "tags/{id}",
    "digitalocean:index/volume:Volume": "volumes/{id}",
    "digitalocean:index/vpc:Vpc": "vpcs/{id}",
}
"""Where the API has each type of resource that exists by itself. Objects of a bucket go with the bucket."""

BASE_IMAGE = re.compile(r"base\.\d{4}\.\d{2}\.\d{2}\.\d+$")

BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"


class AccountError(Exception):
    """The account could not be asked; the message says why."""


@dataclass(frozen=True)
class CloudResource:
    """Something in the account. ``monthly_usd`` is what keeping it costs."""

    kind: str
    id: str
    name: str
    monthly_usd: float = 0.0


@dataclass(frozen=True)
class Droplet:
    """A droplet, as the API tells it."""

    id: int
    name: str
    status: str
    size: str
    region: str
    public: str
    private: str
    monthly_usd: float


class Account:
    """The account of ``DIGITALOCEAN_TOKEN``, and its Spaces by ``SPACES_ACCESS_KEY_ID``. Reads only."""

    def __init__(self) -> None:
        """Raises: AccountError: the token is missing."""
        token = os.environ.get("DIGITALOCEAN_TOKEN") or os.environ.get("DIGITALOCEAN_ACCESS_TOKEN")
        if not token:
            raise AccountError("DIGITALOCEAN_TOKEN is not set: it is needed to ask the account")
        self._api = os.environ.get("DIGITALOCEAN_API_URL", REAL_API).rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def droplets(self, tags: Iterable[str]) -> list[Droplet]:
        """The droplets that carry any of ``tags``, by name."""
        found = {
            one["id"]: _droplet(one) for tag in tags for one in self._list("droplets", tag_name=tag)
        }
        return sorted(found.values(), key=lambda droplet: droplet.name)

    def tagged(self, tags: Iterable[str]) -> list[CloudResource]:
        """Everything that carries one of ``tags``: droplets, balancers, volumes, snapshots."""
        wanted = set(tags)
        droplets = [
            CloudResource("droplet", str(one.id), one.name, one.monthly_usd)
            for one in self.droplets(wanted)
        ]
        others = [
            _thing(kind, one)
            for kind, path in (
                ("load balancer", "load_balancers"),
                ("volume", "volumes"),
                ("snapshot", "snapshots"),
            )
            for one in self._list(path)
            if wanted & {*(one.get("tags") or ()), one.get("tag")}
        ]
        return droplets + others

    def remaining(self, resources: Iterable[dict[str, Any]]) -> list[CloudResource]:
        """Those of a stack's ``resources`` (as in its exported state) that the account still has."""
        found = []
        for resource in resources:
            kind, identity = str(resource["type"]), str(resource.get("id", ""))
            if kind == BUCKET and self._has_bucket(
                identity, str(resource.get("outputs", {}).get("region", "nyc3"))
            ):
                found.append(CloudResource("bucket", identity, identity, SPACES_MONTHLY_USD))
            elif kind in PATHS and identity:
                body = self._get(PATHS[kind].format(id=quote(identity, safe="")))
                if body is not None:
                    word = kind.rpartition(":")[2].lower()
                    found.append(_thing(word, next(iter(body.values())), identity))
        return found

    def base_images(self) -> list[CloudResource]:
        """The base images of all stacks."""
        return [
            _thing("snapshot", one)
            for one in self._list("snapshots", resource_type="droplet")
            if BASE_IMAGE.match(one["name"])
        ]

    def _has_bucket(self, name: str, region: str) -> bool:
        import boto3  # here, because it takes as long to load as all the rest, and only a destroy asks for buckets
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        endpoint = os.environ.get("SPACES_ENDPOINT_URL", REAL_SPACES).replace(
            "{{.Region}}", region.lower()
        )
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=os.environ.get("SPACES_ACCESS_KEY_ID"),
            aws_secret_access_key=os.environ.get("SPACES_SECRET_ACCESS_KEY"),
            config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2}),
        )
        try:
            client.head_bucket(Bucket=name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise AccountError(
                f"Spaces did not tell whether bucket {name} exists: {error}"
            ) from error
        except BotoCoreError as error:
            raise AccountError(
                f"Spaces did not tell whether bucket {name} exists: {error}"
            ) from error
        return True

    def _list(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            body = self._get(path, per_page=PAGE, page=page, **query) or {}
            items = body.get(path.rpartition("/")[2], [])
            yield from items
            if not body.get("links", {}).get("pages", {}).get("next"):
                return
            page += 1

    def _get(self, path: str, **query: str | int) -> dict[str, Any] | None:
        """The body, or None where there is nothing by that id."""
        try:
            response = self._session.get(
                f"{self._api}/v2/{path}", params=query, timeout=TIMEOUT_SECONDS
            )
            if response.status_code == 404:
                return None
            response.raise_for_status()
            body: dict[str, Any] = response.json()
            return body
        except (requests.RequestException, ValueError) as error:
            raise AccountError(
                f"{self._api}/v2/{path} did not answer as it should: {error}"
            ) from error


def _droplet(one: dict[str, Any]) -> Droplet:
    by_side: dict[str, str] = {}
    for network in one["networks"]["v4"]:
        by_side.setdefault(
            network["type"], str(network["ip_address"])
        )  # a reserved IP is public too, and comes after the droplet's own
    return Droplet(
        id=int(one["id"]),
        name=str(one["name"]),
        status=str(one["status"]),
        size=str(one["size_slug"]),
        region=str(one["region"]["slug"]),
        public=by_side.get("public", ""),
        private=by_side.get("private", ""),
        monthly_usd=float(one.get("size", {}).get("price_monthly", 0.0)),
    )


def _thing(kind: str, one: dict[str, Any], identity: str = "") -> CloudResource:
    usd = 0.0
    if "droplet" in kind:
        usd = float(one.get("size", {}).get("price_monthly", 0.0))
    elif kind.replace(" ", "") == "loadbalancer":
        usd = LOAD_BALANCER_MONTHLY_USD * int(one.get("size_unit") or 1)
    elif "snapshot" in kind:
        usd = SNAPSHOT_MONTHLY_USD_PER_GB * float(one.get("size_gigabytes") or 0.0)
    return CloudResource(
        kind, identity or str(one.get("id", "")), str(one.get("name", "")), round(usd, 2)
    )
