"""A tag whose droplets somebody untagged, or that somebody deleted.

Firewalls and the load balancer find droplets by their tag. A tag's id is its name, so it is created
again with the same id.

A dynamic provider runs in its own process, and the state contains its module path.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import dynamic

from infra.digitalocean_api import ApiError, DigitalOceanApi, connect


class DropletTagProvider(dynamic.ResourceProvider):
    """Tags the droplets that have lost the tag. A creation and a deletion do nothing."""

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        self._config = req.config

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["tag"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=olds != news or self._is_lost(olds))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        if untagged := self._find_untagged(news):
            api, tag = self._api(), news["tag"]
            api.ensure_tag(tag)
            resources = [{"resource_id": id, "resource_type": "droplet"} for id in untagged]
            api.post(f"/v2/tags/{tag}/resources", {"resources": resources})
        return dynamic.UpdateResult(news)

    def _is_lost(self, props: Mapping[str, Any]) -> bool:
        try:
            untagged = self._find_untagged(props)
        except ApiError as error:
            print(f"droplets with the tag {props['tag']} are not compared: {error}", flush=True)
            return False
        if untagged:
            print(f"droplets without the tag {props['tag']}: {', '.join(untagged)}", flush=True)
        return bool(untagged)

    def _find_untagged(self, props: Mapping[str, Any]) -> list[str]:
        """Return the ids of the declared droplets that exist without the tag."""
        droplets = self._api().list_all("/v2/droplets", "droplets")
        return sorted(
            str(droplet["id"])
            for droplet in droplets
            if str(droplet["id"]) in props["droplets"] and props["tag"] not in droplet["tags"]
        )

    def _api(self) -> DigitalOceanApi:
        return connect(lambda key: self._config.get(f"digitalocean:{key}"))


class DropletTag(dynamic.Resource, module="slipway", name="DropletTag"):
    """A tag that all declared droplets have."""

    def __init__(
        self,
        name: str,
        *,
        tag: pulumi.Input[str],
        droplets: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare that droplets, by id, have the tag."""
        super().__init__(DropletTagProvider(), name, {"tag": tag, "droplets": droplets}, opts)
