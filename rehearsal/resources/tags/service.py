"""Tags: creation, deletion, and tagging of droplets and images."""

from rehearsal.api.cloud import Cloud
from rehearsal.errors import not_found, unprocessable
from rehearsal.resources.tags.schemas import Resource
from rehearsal.state import firewalls, lookup, tagging
from rehearsal.state.records import Droplet, Image, LoadBalancer, Tag


def create(cloud: Cloud, name: object) -> Tag:
    """Create a tag, or return the one that has the name already.

    Raises:
        ValueError: the name is invalid.
    """
    if not isinstance(name, str) or not tagging.is_valid_name(name):
        raise ValueError(
            "Tag names may have letters, numbers, colons, dashes and underscores, "
            "and up to 255 characters."
        )
    with cloud.store.transaction():
        tagging.ensure_tags(cloud.store, [name])
    return get(cloud, name)


def get(cloud: Cloud, name: str) -> Tag:
    """Return a tag.

    Raises:
        ApiError: 404
    """
    tag = tagging.find_tag(cloud.store, name)
    if tag is None:
        raise not_found()
    return tag


async def attach(cloud: Cloud, tag: Tag, resources: list[Resource]) -> None:
    """Tag resources: all or none.

    Raises:
        ApiError: 404 for a resource that does not exist.
    """
    targets = [_get_resource(cloud, resource) for resource in resources]
    with cloud.store.transaction():
        for target in targets:
            if tag.name not in target.tags:
                cloud.store.put(target.model_copy(update={"tags": [*target.tags, tag.name]}))
    await cloud.network.reconcile()


async def detach(cloud: Cloud, tag: Tag, resources: list[Resource]) -> None:
    """Untag resources: all or none.

    Raises:
        ApiError: 404 for a resource that does not exist.
    """
    targets = [_get_resource(cloud, resource) for resource in resources]
    with cloud.store.transaction():
        for target in targets:
            _untag(cloud, target, tag)
    await cloud.network.reconcile()


async def delete(cloud: Cloud, tag: Tag) -> None:
    """Delete a tag, and remove it from droplets, images, load balancers and firewalls."""
    store = cloud.store
    tagged: list[Droplet | Image] = [*store.all(Droplet), *store.all(Image)]
    with store.transaction():
        store.delete(tag)
        for target in tagged:
            if tag.name in target.tags:
                _untag(cloud, target, tag)
        for balancer in store.all(LoadBalancer):
            if balancer.tag == tag.name:
                store.put(balancer.model_copy(update={"tag": ""}))
        firewalls.remove_references(store, tags={tag.name})
    await cloud.network.reconcile()


def _get_resource(cloud: Cloud, resource: Resource) -> Droplet | Image:
    if resource.resource_type not in ("droplet", "image"):
        raise unprocessable(
            f"The rehearsal cloud has no resources of type {resource.resource_type}."
        )
    if resource.resource_type == "droplet":
        return lookup.get_droplet(cloud.store, resource.resource_id)
    image = lookup.get_image(cloud.store, resource.resource_id)
    if image.is_public:
        raise not_found()
    return image


def _untag(cloud: Cloud, target: Droplet | Image, tag: Tag) -> None:
    names = [name for name in target.tags if name != tag.name]
    cloud.store.put(target.model_copy(update={"tags": names}))
