"""Images: stock images, and the account's own snapshots."""

from dataclasses import asdict
from typing import Literal

from rehearsal.api.cloud import Cloud
from rehearsal.catalog.images import STOCK_IMAGES, StockImage
from rehearsal.errors import forbidden
from rehearsal.resources import image_deletion
from rehearsal.resources.images.schemas import ImageUpdate
from rehearsal.state import lookup
from rehearsal.state.records import Image
from rehearsal.state.states import ImageStatus


def stock_record(image: StockImage) -> Image:
    return Image(**asdict(image), type="base", is_public=True, status=ImageStatus.AVAILABLE)


def add_stock_images(cloud: Cloud) -> None:
    """Add the stock images that the store does not have."""
    with cloud.store.transaction():
        for image in STOCK_IMAGES:
            if cloud.store.get(Image, image.id) is None:
                cloud.store.put(stock_record(image))


def get(cloud: Cloud, reference: str) -> Image:
    """Return an image by its id or slug.

    Raises:
        ApiError: 404
    """
    return lookup.get_image(cloud.store, reference)


def get_own(cloud: Cloud, reference: str) -> Image:
    """Return an image that the account may change.

    Raises:
        ApiError: 404, or 403 for a stock image.
    """
    image = get(cloud, reference)
    if image.is_public:
        raise forbidden("You are not authorized to perform this operation")
    return image


def list_matching(
    cloud: Cloud, type: Literal["distribution", "application", ""], private: bool, tag: str
) -> list[Image]:
    """Return the images that match all given conditions."""
    images = lookup.list_images(cloud.store)
    if type:
        images = [image for image in images if image.is_public and type == "distribution"]
    if private:
        images = [image for image in images if not image.is_public]
    if tag:
        images = [image for image in images if tag.lower() in (name.lower() for name in image.tags)]
    return images


def update(cloud: Cloud, reference: str, body: ImageUpdate) -> Image:
    image = get_own(cloud, reference).model_copy(update=body.model_dump(exclude_none=True))
    with cloud.store.transaction():
        cloud.store.put(image)
    return image


def delete(cloud: Cloud, reference: str) -> None:
    image_deletion.delete_image(cloud, get_own(cloud, reference))
