"""The account's private images, and the droplets and SSH keys of their builds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.digitalocean_api import ApiError, DigitalOceanApi

TRANSFER_TIMEOUT_S = 30 * 60
TRANSFER_POLL_MIN_S, TRANSFER_POLL_MAX_S = 0.5, 10.0
UNLOCK_TIMEOUT_S = 10 * 60
"""A droplet is locked, and cannot be deleted, while its snapshot is created."""
UNLOCK_POLL_S = 2.0
LOCKED_STATUSES = (403, 409, 422)
"""HTTP statuses with which the API refuses to delete a locked droplet."""


@dataclass(frozen=True)
class Image:
    """A private image."""

    id: int
    name: str
    regions: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def from_response(cls, body: dict[str, Any]) -> "Image":
        return cls(body["id"], body["name"], tuple(body["regions"]), tuple(body.get("tags") or ()))


class ImageApi:
    """Requests about images. Every request raises ``ApiError`` when it fails."""

    def __init__(self, api: DigitalOceanApi) -> None:
        self.api = api

    def images(self) -> list[Image]:
        """Return the private images that are available."""
        return [
            Image.from_response(image)
            for image in self.api.list_all("/v2/images", "images", private="true")
            if image.get("status", "available") == "available"
        ]

    def find(self, tag: str) -> Image | None:
        """Return the oldest image with ``tag``."""
        return min(
            (image for image in self.images() if tag in image.tags),
            key=lambda image: image.id,
            default=None,
        )

    def get(self, image_id: int) -> Image | None:
        body = self.api.find(f"/v2/images/{image_id}")
        return Image.from_response(body["image"]) if body else None

    def rename(self, image: Image, name: str) -> Image:
        return Image.from_response(self.api.put(f"/v2/images/{image.id}", {"name": name})["image"])

    def delete(self, image_id: int) -> None:
        self.api.delete(f"/v2/images/{image_id}")

    def transfer(self, image: Image, region: str) -> None:
        """Transfer the image to ``region`` and wait for the end of the action."""
        action = self.api.post(
            f"/v2/images/{image.id}/actions", {"type": "transfer", "region": region}
        )["action"]
        deadline, pause_s = time.monotonic() + TRANSFER_TIMEOUT_S, TRANSFER_POLL_MIN_S
        while action["status"] == "in-progress":
            if time.monotonic() > deadline:
                raise ApiError(
                    f"the transfer of image {image.name} to {region} has not ended after "
                    f"{TRANSFER_TIMEOUT_S // 60} minutes"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, TRANSFER_POLL_MAX_S)
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
        """Delete the tag, and so remove it from all resources."""
        self.api.delete(f"/v2/tags/{tag}")

    def add_key(self, name: str, public_key: str) -> int:
        """Add an SSH key to the account; return its id."""
        body = self.api.post("/v2/account/keys", {"name": name, "public_key": public_key})
        return int(body["ssh_key"]["id"])

    def remove_builds(
        self, is_own: Callable[[str], bool], is_complete: Callable[[Image], bool]
    ) -> list[str]:
        """Delete droplets, incomplete images and SSH keys of builds; return a list of them.

        Args:
            is_own: whether a name belongs to the builds.
            is_complete: whether an image must be kept.
        """
        removed = []
        for droplet in self.api.list_all("/v2/droplets", "droplets"):
            if is_own(droplet["name"]):
                self._delete_droplet(droplet["id"])
                removed.append(f"droplet {droplet['name']}")
        for image in self.images():
            if is_own(image.name) and not is_complete(image):
                self.delete(image.id)
                removed.append(f"image {image.name}")
        for key in self.api.list_all("/v2/account/keys", "ssh_keys"):
            if is_own(key["name"]):
                self.api.delete(f"/v2/account/keys/{key['id']}")
                removed.append(f"key {key['name']}")
        return removed

    def _delete_droplet(self, droplet_id: int) -> None:
        deadline = time.monotonic() + UNLOCK_TIMEOUT_S
        while True:
            try:
                return self.api.delete(f"/v2/droplets/{droplet_id}")
            except ApiError as error:
                if error.status not in LOCKED_STATUSES or time.monotonic() > deadline:
                    raise
            time.sleep(UNLOCK_POLL_S)
