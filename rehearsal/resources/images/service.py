"""Images: the stock ones, and the account's own snapshots."""

from dataclasses import asdict
from typing import Literal

from rehearsal.api.cloud import Cloud
from rehearsal.catalog.images import STOCK_IMAGES, StockImage
from rehearsal.errors import forbidden, not_found
from rehearsal.resources.image_deletion import discard
from rehearsal.resources.images.schemas import ImageUpdate
from rehearsal.state import lookup
from rehearsal.state.records import Image
from rehearsal.state.states import ImageStatus


def stock_record(image: StockImage) -> Image:
    return Image(**asdict(image), type="base", is_public=True, status=ImageStatus.AVAILABLE)


def add_stock_images(cloud: Cloud) -> None:
    """Put the stock images into a store that lacks them."""
    with cloud.store.transaction():
        for image in STOCK_IMAGES:
            if cloud.store.get(Image, image.id) is None:
                cloud.store.put(stock_record(image))


def get(cloud: Cloud, reference: str) -> Image:
    """By id or slug.

    Raises:
        ApiError: 404
    """
    image = lookup.find_image(cloud.store, reference)
    if image is None:
        raise not_found()
    return image


def own(cloud: Cloud, reference: str) -> Image:
    """One that its account may change.

    Raises:
        ApiError: 404; 403 for a stock image
    """
    image = get(cloud, reference)
    if image.is_public:
        raise forbidden("You are not authorized to perform this operation")
    return image


def select(
    cloud: Cloud, type: Literal["distribution", "application", ""], private: bool, tag: str
) -> list[Image]:
    """The images of a kind; of all kinds without any condition."""
    images = lookup.list_images(cloud.store)
    if type:
        images = [image for image in images if image.is_public and type == "distribution"]
    if private:
        images = [image for image in images if not image.is_public]
    if tag:
        images = [image for image in images if tag.lower() in (own.lower() for own in image.tags)]
    return images


def update(cloud: Cloud, reference: str, body: ImageUpdate) -> Image:
    image = own(cloud, reference).model_copy(update=body.model_dump(exclude_none=True))
    with cloud.store.transaction():
        cloud.store.put(image)
    return image


def delete(cloud: Cloud, reference: str) -> None:
    discard(cloud, own(cloud, reference))
