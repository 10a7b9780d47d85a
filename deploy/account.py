"""The droplets of a stack in the DigitalOcean account, by the API and not by Pulumi's state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.digitalocean_api import DigitalOceanApi


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
    """The account of a token.

    Every method raises ``infra.digitalocean_api.ApiError`` when the API fails.
    """

    def __init__(self, api: DigitalOceanApi) -> None:
        self._api = api

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
        monthly_usd=float(body.get("size", {}).get("price_monthly", 0.0)),
    )
