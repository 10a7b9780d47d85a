"""Which images are snapshots, and of which droplet."""

from rehearsal.api.cloud import Cloud
from rehearsal.errors import bad_request, not_found
from rehearsal.state import lookup
from rehearsal.state.records import Image


def snapshots(cloud: Cloud) -> list[Image]:
    return [image for image in lookup.list_images(cloud.store) if image.type == "snapshot"]


def get(cloud: Cloud, id: str) -> Image:
    """Raises: ApiError 404; 400 for an image that is no snapshot."""
    image = lookup.find_image(cloud.store, id) if id.isdecimal() else None
    if image is None:
        raise not_found()
    if image.type != "snapshot":
        raise bad_request("the resource is not a snapshot")
    return image
