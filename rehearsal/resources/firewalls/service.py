"""Firewalls: what they may name, and their parts that can be changed one by one."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import conflict, not_found, unprocessable
from rehearsal.resources.firewalls.schemas import FirewallWrite, Rules
from rehearsal.state import lookup, tagging
from rehearsal.state.records import Balancer, Firewall, FirewallRule
from rehearsal.topology.protocol import MachineError

T = TypeVar("T")

MOST_DROPLETS, MOST_TAGS, MOST_RULES, MOST_ADDRESSES = 10, 5, 50, 1000
"""Of one firewall, and addresses of one rule; droplets and tags that a rule names are not counted."""


def find(cloud: Cloud, id: str) -> Firewall:
    """Raises: ApiError 404."""
    firewall = cloud.store.get(Firewall, id)
    if firewall is None:
        raise not_found()
    return firewall


async def create(cloud: Cloud, body: FirewallWrite) -> Firewall:
    """Raises: ApiError 409 for a name in use, 422 for something named that does not exist."""
    firewall = _from(cloud, body, str(uuid4()), now())
    try:
        await save(cloud, firewall)
    except MachineError:
        with cloud.store.write():
            cloud.store.delete(firewall)
        raise
    return firewall


async def replace(cloud: Cloud, present: Firewall, body: FirewallWrite) -> Firewall:
    """Raises: as ``create``."""
    firewall = _from(cloud, body, present.id, present.created_at)
    await save(cloud, firewall)
    return firewall


async def delete(cloud: Cloud, firewall: Firewall) -> None:
    with cloud.store.write():
        cloud.store.delete(firewall)
    await cloud.network.reconcile()


async def save(cloud: Cloud, firewall: Firewall) -> None:
    """Raises: ApiError 422 for more of something than a firewall may have."""
    rules = firewall.inbound + firewall.outbound
    _limit("Droplets", len(firewall.droplet_ids), MOST_DROPLETS)
    _limit("tags", len(firewall.tags), MOST_TAGS)
    _limit("rules", len(rules), MOST_RULES)
    for rule in rules:
        _limit("addresses in a rule", len(rule.peers.addresses), MOST_ADDRESSES)
    with cloud.store.write():
        cloud.store.put(firewall)
    await cloud.network.reconcile()


async def add_droplets(cloud: Cloud, firewall: Firewall, ids: list[int]) -> None:
    _check_droplets(cloud, ids)
    await save(
        cloud, firewall.model_copy(update={"droplet_ids": _union(firewall.droplet_ids, ids)})
    )


async def remove_droplets(cloud: Cloud, firewall: Firewall, ids: list[int]) -> None:
    await save(
        cloud,
        firewall.model_copy(
            update={"droplet_ids": [id for id in firewall.droplet_ids if id not in ids]}
        ),
    )


async def add_tags(cloud: Cloud, firewall: Firewall, tags: list[str]) -> None:
    await save(
        cloud, firewall.model_copy(update={"tags": _union(firewall.tags, _tags(cloud, tags))})
    )


async def remove_tags(cloud: Cloud, firewall: Firewall, tags: list[str]) -> None:
    gone = {tag.lower() for tag in tags}
    await save(
        cloud,
        firewall.model_copy(
            update={"tags": [tag for tag in firewall.tags if tag.lower() not in gone]}
        ),
    )


async def add_rules(cloud: Cloud, firewall: Firewall, body: Rules) -> None:
    inbound, outbound = _rules(cloud, body)
    changes = {
        "inbound": _union(firewall.inbound, inbound),
        "outbound": _union(firewall.outbound, outbound),
    }
    await save(cloud, firewall.model_copy(update=changes))


async def remove_rules(cloud: Cloud, firewall: Firewall, body: Rules) -> None:
    inbound, outbound = _rules(cloud, body)
    changes = {
        "inbound": [rule for rule in firewall.inbound if rule not in inbound],
        "outbound": [rule for rule in firewall.outbound if rule not in outbound],
    }
    if not changes["inbound"] and not changes["outbound"]:
        raise unprocessable("A firewall must have at least one rule.")
    await save(cloud, firewall.model_copy(update=changes))


def _from(cloud: Cloud, body: FirewallWrite, id: str, created_at: str) -> Firewall:
    if any(other.name == body.name and other.id != id for other in cloud.store.all(Firewall)):
        raise conflict("duplicate name")
    inbound, outbound = _rules(cloud, body)
    if not inbound and not outbound:
        raise unprocessable("A firewall must have at least one rule.")
    _check_droplets(cloud, body.droplet_ids)
    tags = _tags(cloud, body.tags)
    ids = _union([], body.droplet_ids)
    return Firewall(
        id=id,
        name=body.name,
        created_at=created_at,
        inbound=inbound,
        outbound=outbound,
        droplet_ids=ids,
        tags=tags,
    )


def _rules(cloud: Cloud, body: Rules) -> tuple[list[FirewallRule], list[FirewallRule]]:
    inbound = [_named(cloud, rule.record()) for rule in body.inbound_rules]
    outbound = [_named(cloud, rule.record()) for rule in body.outbound_rules]
    return inbound, outbound


def _named(cloud: Cloud, rule: FirewallRule) -> FirewallRule:
    """The rule, after everything that it names was found."""
    peers = rule.peers
    _check_droplets(cloud, peers.droplet_ids)
    for id in peers.load_balancer_uids:
        if cloud.store.get(Balancer, id) is None:
            raise unprocessable(f"load balancer {id} does not exist")
    return rule.model_copy(
        update={"peers": peers.model_copy(update={"tags": _tags(cloud, peers.tags)})}
    )


def _tags(cloud: Cloud, names: list[str]) -> list[str]:
    """In the case of their creation; a firewall names only tags that exist."""
    found = []
    for name in names:
        tag = tagging.find(cloud.store, name)
        if tag is None:
            raise unprocessable(f"tag {name} does not exist")
        found.append(tag.name)
    return _union([], found)


def _limit(what: str, count: int, most: int) -> None:
    if count > most:
        raise unprocessable(f"A firewall can have up to {most} {what}.")


def _check_droplets(cloud: Cloud, ids: list[int]) -> None:
    known = {droplet.id for droplet in lookup.droplets(cloud.store)}
    for id in ids:
        if id not in known:
            raise unprocessable(f"droplet {id} does not exist")


def _union(present: list[T], more: Iterable[T]) -> list[T]:
    """Both, without what would be there twice."""
    union = list(present)
    for item in more:
        if item not in union:
            union.append(item)
    return union
