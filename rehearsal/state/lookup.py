"""Finds what a client names, as clients see it: what is being deleted is not there."""

from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.catalog.sizes import SIZES, Size
from rehearsal.errors import not_found, unprocessable
from rehearsal.state.records import Balancer, Droplet, Image, Project, ReservedIp, Vpc
from rehearsal.state.states import DropletStatus, ImageStatus
from rehearsal.state.store import Store


def region(slug: str) -> Region | None:
    """A region that is open."""
    found = REGIONS.get(slug)
    return found if found and found.available else None


def size(slug: str) -> Size | None:
    return SIZES.get(slug)


def droplets(store: Store) -> list[Droplet]:
    return [
        droplet for droplet in store.all(Droplet) if droplet.status is not DropletStatus.DELETING
    ]


def droplet(store: Store, id: int | str) -> Droplet:
    """By id, also as text.

    Raises:
        ApiError: 404
    """
    found = present_droplet(store, id)
    if found is None:
        raise not_found()
    return found


def present_droplet(store: Store, id: int | str) -> Droplet | None:
    found = store.get(Droplet, id)
    return found if found and found.status is not DropletStatus.DELETING else None


def droplets_tagged(store: Store, tag: str) -> list[Droplet]:
    """Those with the tag, in any case of its letters."""
    return [
        droplet
        for droplet in droplets(store)
        if tag.lower() in (own.lower() for own in droplet.tags)
    ]


def images(store: Store) -> list[Image]:
    return [image for image in store.all(Image) if image.status is not ImageStatus.DELETED]


def image(store: Store, reference: int | str) -> Image | None:
    """By id (also as text) or by slug."""
    if isinstance(reference, int) or reference.isdecimal():
        found = store.get(Image, reference)
        return found if found and found.status is not ImageStatus.DELETED else None
    return next((image for image in images(store) if image.slug == reference), None)


def vpc(store: Store, id: str) -> Vpc:
    """Raises: ApiError 404."""
    found = store.get(Vpc, id)
    if found is None:
        raise not_found()
    return found


def named_project(store: Store, id: str) -> Project | None:
    """The project that a request names; None if it names none.

    Raises:
        ApiError: 422
    """
    project = store.get(Project, id) if id else None
    if id and project is None:
        raise unprocessable(f"project {id} does not exist")
    return project


def reserved_ip(store: Store, address: str) -> ReservedIp:
    """Raises: ApiError 404."""
    found = store.get(ReservedIp, address)
    if found is None:
        raise not_found()
    return found


def balancer(store: Store, id: str) -> Balancer:
    """Raises: ApiError 404."""
    found = store.get(Balancer, id)
    if found is None:
        raise not_found()
    return found
