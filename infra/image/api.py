"""The account's own images, and the keys and droplets that making one takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.digitalocean_api import ApiError, DigitalOceanApi

TRANSFER_SECONDS = 30 * 60
UNLOCK_SECONDS = 10 * 60
"""A droplet in the middle of a snapshot cannot be destroyed before it is done."""


@dataclass(frozen=True)
class Image:
    """One image of the account."""

    id: int
    name: str
    regions: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def of(cls, wire: dict[str, Any]) -> "Image":
        return cls(wire["id"], wire["name"], tuple(wire["regions"]), tuple(wire.get("tags") or ()))


class ImageApi:
    """What images take of the API. Every call raises ``ApiError``; what is to be removed may be gone already."""

    def __init__(self, api: DigitalOceanApi) -> None:
        self.api = api

    def images(self) -> list[Image]:
        """Private images that can be used."""
        found = self.api.list_all("/v2/images", "images", private="true")
        return [Image.of(wire) for wire in found if wire.get("status", "available") == "available"]

    def find(self, tag: str) -> Image | None:
        """The oldest image that bears ``tag``."""
        return min(
            (image for image in self.images() if tag in image.tags),
            key=lambda image: image.id,
            default=None,
        )

    def get(self, image_id: int) -> Image | None:
        body = self.api.find(f"/v2/images/{image_id}")
        return Image.of(body["image"]) if body else None

    def rename(self, image: Image, name: str) -> Image:
        return Image.of(self.api.put(f"/v2/images/{image.id}", {"name": name})["image"])

    def delete(self, image_id: int) -> None:
        self.api.delete(f"/v2/images/{image_id}")

    def transfer(self, image: Image, region: str) -> None:
        """Copy the image to ``region`` and wait until it is there."""
        action = self.api.post(
            f"/v2/images/{image.id}/actions", {"type": "transfer", "region": region}
        )["action"]
        deadline, pause = time.monotonic() + TRANSFER_SECONDS, 0.5
        while action["status"] == "in-progress":
            if time.monotonic() > deadline:
                raise ApiError(
                    f"image {image.name} is not in {region} after {TRANSFER_SECONDS // 60} minutes"
                )
            time.sleep(pause)
            pause = min(2 * pause, 10)
            action = self.api.get(f"/v2/images/{image.id}/actions/{action['id']}")["action"]
        if action["status"] != "completed":
            raise ApiError(
                f"the transfer of image {image.name} to {region} ended as {action['status']}"
            )

    def tag(self, image_id: int, tag: str) -> None:
        self.api.post("/v2/tags", {"name": tag})
        self.api.post(
            f"/v2/tags/{tag}/resources",
            {"resources": [{"resource_id": str(image_id), "resource_type": "image"}]},
        )

    def delete_tag(self, tag: str) -> None:
        """Take the tag off everything that bears it, and remove it."""
        self.api.delete(f"/v2/tags/{tag}")

    def add_key(self, name: str, public_key: str) -> int:
        key: int = self.api.post("/v2/account/keys", {"name": name, "public_key": public_key})[
            "ssh_key"
        ]["id"]
        return key

    def remove_builds(
        self, ours: Callable[[str], bool], complete: Callable[[Image], bool]
    ) -> list[str]:
        """Destroy the droplets, incomplete images and keys whose names are ``ours``; returns what there was."""
        removed = []
        for droplet in self.api.list_all("/v2/droplets", "droplets"):
            if ours(droplet["name"]):
                self._destroy(droplet["id"])
                removed.append(f"droplet {droplet['name']}")
        for image in self.images():
            if ours(image.name) and not complete(image):
                self.delete(image.id)
                removed.append(f"image {image.name}")
        for key in self.api.list_all("/v2/account/keys", "ssh_keys"):
            if ours(key["name"]):
                self.api.delete(f"/v2/account/keys/{key['id']}")
                removed.append(f"key {key['name']}")
        return removed

    def _destroy(self, droplet_id: int) -> None:
        deadline = time.monotonic() + UNLOCK_SECONDS
        while True:
            try:
                return self.api.delete(f"/v2/droplets/{droplet_id}")
            except ApiError as error:
                if error.status not in (403, 409, 422) or time.monotonic() > deadline:
                    raise
            time.sleep(2)
