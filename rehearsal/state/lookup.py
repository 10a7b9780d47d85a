"""Lookup of resources as clients see them: resources that are being deleted are absent.

A ``find_`` function returns None for an absent resource, a ``get_`` function raises a 404.
"""

from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.catalog.sizes import SIZES, Size
from rehearsal.errors import not_found, unprocessable
from rehearsal.state.records import Droplet, Image, LoadBalancer, Project, ReservedIp, Vpc
from rehearsal.state.states import DropletStatus, ImageStatus
from rehearsal.state.store import R, Store


def find_region(slug: str) -> Region | None:
    """Return a region, unless it is closed."""
    region = REGIONS.get(slug)
    return region if region and region.available else None


def find_size(slug: str) -> Size | None:
    return SIZES.get(slug)


def list_droplets(store: Store) -> list[Droplet]:
    return [
        droplet for droplet in store.all(Droplet) if droplet.status is not DropletStatus.DELETING
    ]


def list_tagged_droplets(store: Store, tag: str) -> list[Droplet]:
    """Return the droplets with a tag, whose name is case-insensitive."""
    return [
        droplet
        for droplet in list_droplets(store)
        if tag.lower() in (name.lower() for name in droplet.tags)
    ]


def find_droplet(store: Store, id: int | str) -> Droplet | None:
    droplet = store.get(Droplet, id)
    return droplet if droplet and droplet.status is not DropletStatus.DELETING else None


def get_droplet(store: Store, id: int | str) -> Droplet:
    return _required(find_droplet(store, id))


def list_images(store: Store) -> list[Image]:
    return [image for image in store.all(Image) if image.status is not ImageStatus.DELETED]


def find_image(store: Store, reference: int | str) -> Image | None:
    """Return an image by its id, also as a string, or by its slug."""
    if isinstance(reference, int) or reference.isdecimal():
        image = store.get(Image, reference)
        return image if image and image.status is not ImageStatus.DELETED else None
    return next((image for image in list_images(store) if image.slug == reference), None)


def get_image(store: Store, reference: int | str) -> Image:
    return _required(find_image(store, reference))


def get_vpc(store: Store, id: str) -> Vpc:
    return _required(store.get(Vpc, id))


def get_reserved_ip(store: Store, address: str) -> ReservedIp:
    return _required(store.get(ReservedIp, address))


def get_load_balancer(store: Store, id: str) -> LoadBalancer:
    return _required(store.get(LoadBalancer, id))


def resolve_project(store: Store, id: str) -> Project | None:
    """Return the project of a request, or None for an empty id.

    Raises:
        ApiError: 422 if the project does not exist.
    """
    project = store.get(Project, id) if id else None
    if id and project is None:
        raise unprocessable(f"project {id} does not exist")
    return project


def _required(record: R | None) -> R:
    if record is None:
        raise not_found()
    return record
