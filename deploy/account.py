"""What a stack has in the DigitalOcean account, by the API and not by Pulumi's state."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from deploy.errors import DeployError
from infra import digitalocean_api, names

DELETION_TIMEOUT_S = 300.0
POLL_INTERVAL_S = 0.5
SNAPSHOT_MONTHLY_USD_PER_GB = 0.06
SPACES_MONTHLY_USD = 5.0

BUCKET_TYPE = "digitalocean:index/spacesBucket:SpacesBucket"
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
"""The API path of each resource type that exists by itself. A bucket's objects go with it."""


class AccountError(DeployError):
    """Spaces did not say whether a bucket exists, or a droplet was not deleted."""


@dataclass(frozen=True)
class CloudResource:
    """A resource in the account, and what it costs."""

    kind: str
    id: str
    name: str
    monthly_usd: float = 0.0


@dataclass(frozen=True)
class Droplet:
    """A droplet, as the API describes it."""

    id: int
    name: str
    status: str
    size: str
    region: str
    public: str
    private: str
    monthly_usd: float


class Account:
    """The account of ``DIGITALOCEAN_TOKEN``, and its Spaces by ``SPACES_ACCESS_KEY_ID``.

    Every method raises ``infra.digitalocean_api.ApiError`` when the API fails.
    """

    def __init__(self) -> None:
        """Raise ``ApiError`` if there is no token."""
        self._api = digitalocean_api.connect()

    def droplets(self, tags: Iterable[str]) -> list[Droplet]:
        """Return the droplets that have any of ``tags``, by name."""
        droplets = {
            body["id"]: _droplet(body)
            for tag in tags
            for body in self._api.list_all("/v2/droplets", "droplets", tag_name=tag)
        }
        return sorted(droplets.values(), key=lambda droplet: droplet.name)

    def count_droplets(self) -> tuple[int, int]:
        """Return how many droplets the account has, and how many it may have."""
        limit = self._api.get("/v2/account")["account"]["droplet_limit"]
        return len(self._api.list_all("/v2/droplets", "droplets")), int(limit)

    def delete_droplet(self, id: int) -> None:
        """Delete a droplet and wait until the account does not have it any more.

        A droplet that is still being created refuses the request with 422, so it is repeated.

        Raises:
            AccountError: the droplet is still there after ``DELETION_TIMEOUT_S``.
        """
        path, deadline = f"/v2/droplets/{id}", time.monotonic() + DELETION_TIMEOUT_S
        is_accepted = False
        while self._api.find(path) is not None:
            if time.monotonic() > deadline:
                raise AccountError(
                    f"the droplet {id} was not deleted within {DELETION_TIMEOUT_S:.0f} s; "
                    "delete it on DigitalOcean's site"
                )
            if not is_accepted:
                try:
                    self._api.delete(path)
                    is_accepted = True
                except digitalocean_api.ApiError as error:
                    if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                        raise
            time.sleep(POLL_INTERVAL_S)

    def tagged(self, tags: Iterable[str]) -> list[CloudResource]:
        """Return all droplets, load balancers, volumes and snapshots with any of ``tags``."""
        wanted = set(tags)
        droplets = [
            CloudResource("droplet", str(droplet.id), droplet.name, droplet.monthly_usd)
            for droplet in self.droplets(wanted)
        ]
        others = [
            _cloud_resource(kind, body)
            for kind, key in (
                ("load balancer", "load_balancers"),
                ("volume", "volumes"),
                ("snapshot", "snapshots"),
            )
            for body in self._list_if_offered(key)
            if wanted & {*(body.get("tags") or ()), body.get("tag")}
        ]
        return droplets + others

    def remaining(self, resources: Iterable[Mapping[str, Any]]) -> list[CloudResource]:
        """Return those of a state's ``resources`` that the account still has.

        Raises:
            AccountError: Spaces fails.
        """
        found = []
        for resource in resources:
            type_token, id = str(resource["type"]), str(resource.get("id", ""))
            if type_token == BUCKET_TYPE:
                region = str(resource.get("outputs", {}).get("region", "nyc3"))
                if _has_bucket(id, region):
                    found.append(CloudResource("bucket", id, id, SPACES_MONTHLY_USD))
            elif type_token in PATHS and id:
                body = self._api.find(f"/v2/{PATHS[type_token].format(id=quote(id, safe=''))}")
                if body is not None:
                    kind = type_token.rpartition(":")[2].lower()
                    found.append(_cloud_resource(kind, next(iter(body.values())), id))
        return found

    def base_images(self) -> list[CloudResource]:
        """Return the base images of all stacks."""
        snapshots = self._api.list_all("/v2/snapshots", "snapshots", resource_type="droplet")
        return [
            _cloud_resource("snapshot", body)
            for body in snapshots
            if names.BASE_IMAGE_NAME.fullmatch(body["name"])
        ]

    def _list_if_offered(self, key: str) -> list[dict[str, Any]]:
        """Return all objects; none if the cloud does not offer them, such as volumes."""
        try:
            return self._api.list_all(f"/v2/{key}", key)
        except digitalocean_api.ApiError as error:
            if error.is_not_found:
                return []
            raise


def _has_bucket(name: str, region: str) -> bool:
    # Imported here, because only a destroy needs it and it takes long to load.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=digitalocean_api.spaces_url(region.lower()),
        region_name="us-east-1",
        aws_access_key_id=os.environ.get("SPACES_ACCESS_KEY_ID"),
        aws_secret_access_key=os.environ.get("SPACES_SECRET_ACCESS_KEY"),
        config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2}),
    )
    try:
        client.head_bucket(Bucket=name)
    except (ClientError, BotoCoreError) as error:
        if (
            isinstance(error, ClientError)
            and error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        ):
            return False
        raise AccountError(
            f"Spaces did not say whether the bucket {name} exists: {error}"
        ) from error
    return True


def _droplet(body: Mapping[str, Any]) -> Droplet:
    addresses: dict[str, str] = {}
    for network in body["networks"]["v4"]:
        # A reserved IP is public too; it comes after the droplet's own address.
        addresses.setdefault(network["type"], str(network["ip_address"]))
    return Droplet(
        id=int(body["id"]),
        name=str(body["name"]),
        status=str(body["status"]),
        size=str(body["size_slug"]),
        region=str(body["region"]["slug"]),
        public=addresses.get("public", ""),
        private=addresses.get("private", ""),
        monthly_usd=_monthly_usd("droplet", body),
    )


def _cloud_resource(kind: str, body: Mapping[str, Any], id: str = "") -> CloudResource:
    return CloudResource(
        kind, id or str(body.get("id", "")), str(body.get("name", "")), _monthly_usd(kind, body)
    )


def _monthly_usd(kind: str, body: Mapping[str, Any]) -> float:
    if kind == "droplet":
        return float(body.get("size", {}).get("price_monthly", 0.0))
    if kind.replace(" ", "") == "loadbalancer":
        return digitalocean_api.LOAD_BALANCER_NODE_MONTHLY_USD * int(body.get("size_unit") or 1)
    if "snapshot" in kind:
        return round(SNAPSHOT_MONTHLY_USD_PER_GB * float(body.get("size_gigabytes") or 0.0), 2)
    return 0.0
