"""Tags: made once, found in any case, put on droplets and images."""

from rehearsal.api.cloud import Cloud
from rehearsal.errors import not_found, unprocessable
from rehearsal.resources.tags.schemas import Resource
from rehearsal.state import lookup, tagging
from rehearsal.state.records import Balancer, Droplet, Firewall, FirewallRule, Image, Tag


def create(cloud: Cloud, name: object) -> Tag:
    """Raises: ValueError telling why the name cannot be a tag."""
    if not isinstance(name, str) or not tagging.is_valid(name):
        raise ValueError(
            "Tag names may have letters, numbers, colons, dashes and underscores, and up to 255 characters."
        )
    with cloud.store.write():
        tagging.ensure(cloud.store, [name])
    return find(cloud, name)


def find(cloud: Cloud, name: str) -> Tag:
    """Raises: ApiError 404."""
    tag = tagging.find(cloud.store, name)
    if tag is None:
        raise not_found()
    return tag


async def attach(cloud: Cloud, tag: Tag, resources: list[Resource]) -> None:
    """Raises: ApiError 404 for a resource that does not exist; nothing is tagged then."""
    found = [_resource(cloud, resource) for resource in resources]
    with cloud.store.write():
        for resource in found:
            if tag.name not in resource.tags:
                cloud.store.put(resource.model_copy(update={"tags": [*resource.tags, tag.name]}))
    await cloud.network.reconcile()


async def detach(cloud: Cloud, tag: Tag, resources: list[Resource]) -> None:
    """Raises: ApiError 404 for a resource that does not exist; no tag is removed then."""
    found = [_resource(cloud, resource) for resource in resources]
    with cloud.store.write():
        for resource in found:
            cloud.store.put(resource.model_copy(update={"tags": _rest(resource.tags, tag)}))
    await cloud.network.reconcile()


async def delete(cloud: Cloud, tag: Tag) -> None:
    """Remove a tag from all that has it, and from all that follows it."""
    store = cloud.store
    tagged: list[Droplet | Image] = [*store.all(Droplet), *store.all(Image)]
    with store.write():
        store.delete(tag)
        for resource in tagged:
            if tag.name in resource.tags:
                store.put(resource.model_copy(update={"tags": _rest(resource.tags, tag)}))
        for balancer in store.all(Balancer):
            if balancer.tag == tag.name:
                store.put(balancer.model_copy(update={"tag": ""}))
        for firewall in store.all(Firewall):
            changes = {
                "tags": _rest(firewall.tags, tag),
                "inbound": [_without(rule, tag) for rule in firewall.inbound],
                "outbound": [_without(rule, tag) for rule in firewall.outbound],
            }
            store.put(firewall.model_copy(update=changes))
    await cloud.network.reconcile()


def _resource(cloud: Cloud, resource: Resource) -> Droplet | Image:
    if resource.resource_type not in ("droplet", "image"):
        raise unprocessable(
            f"The rehearsal cloud has no resources of type {resource.resource_type}."
        )
    if resource.resource_type == "droplet":
        return lookup.droplet(cloud.store, resource.resource_id)
    image = lookup.image(cloud.store, resource.resource_id)
    if image is None or image.public:
        raise not_found()
    return image


def _rest(names: list[str], tag: Tag) -> list[str]:
    return [name for name in names if name != tag.name]


def _without(rule: FirewallRule, tag: Tag) -> FirewallRule:
    return rule.model_copy(
        update={"peers": rule.peers.model_copy(update={"tags": _rest(rule.peers.tags, tag)})}
    )
