"""Images: the stock ones, and the account's own snapshots."""

from typing import Literal

from rehearsal import lookup
from rehearsal.catalog.images import STOCK
from rehearsal.cloud import Cloud
from rehearsal.discarding import discard
from rehearsal.errors import forbidden, not_found
from rehearsal.records import Image
from rehearsal.rooms.images.shapes import ImageUpdate


def stock(cloud: Cloud) -> None:
    """Put the stock images into a store that lacks them."""
    with cloud.store.write():
        for image in STOCK:
            if cloud.store.get(Image, image.id) is None:
                cloud.store.put(image)


def find(cloud: Cloud, reference: str) -> Image:
    """By id or slug.

    Raises:
        ApiError: 404
    """
    image = lookup.image(cloud.store, reference)
    if image is None:
        raise not_found()
    return image


def own(cloud: Cloud, reference: str) -> Image:
    """One that its account may change.

    Raises:
        ApiError: 404; 403 for a stock image
    """
    image = find(cloud, reference)
    if image.public:
        raise forbidden("You are not authorized to perform this operation")
    return image


def select(cloud: Cloud, type: Literal["distribution", "application", ""], private: bool, tag: str) -> list[Image]:
    """The images of a kind; of all kinds without any condition."""
    images = lookup.images(cloud.store)
    if type:
        images = [image for image in images if image.public and type == "distribution"]
    if private:
        images = [image for image in images if not image.public]
    if tag:
        images = [image for image in images if tag.lower() in (own.lower() for own in image.tags)]
    return images


def update(cloud: Cloud, reference: str, body: ImageUpdate) -> Image:
    image = own(cloud, reference).model_copy(update=body.model_dump(exclude_none=True))
    with cloud.store.write():
        cloud.store.put(image)
    return image


def delete(cloud: Cloud, reference: str) -> None:
    discard(cloud, own(cloud, reference))
