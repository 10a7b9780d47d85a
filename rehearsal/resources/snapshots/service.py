"""Snapshots, which are images of droplets."""

from rehearsal.api.cloud import Cloud
from rehearsal.errors import bad_request, not_found
from rehearsal.state import lookup
from rehearsal.state.records import Image


def list_snapshots(cloud: Cloud) -> list[Image]:
    return [image for image in lookup.list_images(cloud.store) if image.type == "snapshot"]


def get(cloud: Cloud, id: str) -> Image:
    """Return a snapshot.

    Raises:
        ApiError: 404, or 400 for another image.
    """
    image = lookup.find_image(cloud.store, id) if id.isdecimal() else None
    if image is None:
        raise not_found()
    if image.type != "snapshot":
        raise bad_request("the resource is not a snapshot")
    return image
