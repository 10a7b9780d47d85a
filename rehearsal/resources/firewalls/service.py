"""Firewalls: what a firewall may refer to, its limits, and changes to its parts."""

from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import conflict, not_found, unprocessable
from rehearsal.resources.firewalls.schemas import FirewallWrite, Rules
from rehearsal.state import lookup, tagging
from rehearsal.state.firewalls import Firewall, FirewallRule, unique
from rehearsal.state.records import LoadBalancer
from rehearsal.topology.protocol import MachineError

MAX_DROPLETS, MAX_TAGS, MAX_RULES, MAX_ADDRESSES_PER_RULE = 10, 5, 50, 1000
"""Droplets and tags in the peers of a rule do not count."""


def get(cloud: Cloud, id: str) -> Firewall:
    """Return a firewall.

    Raises:
        ApiError: 404
    """
    firewall = cloud.store.get(Firewall, id)
    if firewall is None:
        raise not_found()
    return firewall


async def create(cloud: Cloud, body: FirewallWrite) -> Firewall:
    """Create a firewall.

    Raises:
        ApiError: 409 for a name in use, 422 for a resource that does not exist.
    """
    firewall = _from_body(cloud, body, str(uuid4()), now())
    try:
        await save(cloud, firewall)
    except MachineError:
        with cloud.store.transaction():
            cloud.store.delete(firewall)
        raise
    return firewall


async def replace(cloud: Cloud, present: Firewall, body: FirewallWrite) -> Firewall:
    """Replace all of a firewall but its id and creation time.

    Raises:
        ApiError: 409 for a name in use, 422 for a resource that does not exist.
    """
    firewall = _from_body(cloud, body, present.id, present.created_at)
    await save(cloud, firewall)
    return firewall


async def delete(cloud: Cloud, firewall: Firewall) -> None:
    with cloud.store.transaction():
        cloud.store.delete(firewall)
    await cloud.network.reconcile()


async def save(cloud: Cloud, firewall: Firewall) -> None:
    """Store a firewall and apply it.

    Raises:
        ApiError: 422 if a limit is exceeded.
    """
    rules = firewall.inbound + firewall.outbound
    _check_limit("Droplets", len(firewall.droplet_ids), MAX_DROPLETS)
    _check_limit("tags", len(firewall.tags), MAX_TAGS)
    _check_limit("rules", len(rules), MAX_RULES)
    for rule in rules:
        _check_limit("addresses in a rule", len(rule.peers.addresses), MAX_ADDRESSES_PER_RULE)
    with cloud.store.transaction():
        cloud.store.put(firewall)
    await cloud.network.reconcile()


async def add_droplets(cloud: Cloud, firewall: Firewall, ids: list[int]) -> None:
    _check_droplets(cloud, ids)
    await save(cloud, firewall.with_droplets(ids))


async def remove_droplets(cloud: Cloud, firewall: Firewall, ids: list[int]) -> None:
    await save(cloud, firewall.without_droplets(ids))


async def add_tags(cloud: Cloud, firewall: Firewall, tags: list[str]) -> None:
    await save(cloud, firewall.with_tags(_tag_names(cloud, tags)))


async def remove_tags(cloud: Cloud, firewall: Firewall, tags: list[str]) -> None:
    await save(cloud, firewall.without_tags(tags))


async def add_rules(cloud: Cloud, firewall: Firewall, body: Rules) -> None:
    await save(cloud, firewall.with_rules(*_rules(cloud, body)))


async def remove_rules(cloud: Cloud, firewall: Firewall, body: Rules) -> None:
    """Remove rules from a firewall.

    Raises:
        ApiError: 422 if no rule would be left.
    """
    changed = firewall.without_rules(*_rules(cloud, body))
    if not changed.inbound and not changed.outbound:
        raise unprocessable("A firewall must have at least one rule.")
    await save(cloud, changed)


def _from_body(cloud: Cloud, body: FirewallWrite, id: str, created_at: str) -> Firewall:
    if any(other.name == body.name and other.id != id for other in cloud.store.all(Firewall)):
        raise conflict("duplicate name")
    inbound, outbound = _rules(cloud, body)
    if not inbound and not outbound:
        raise unprocessable("A firewall must have at least one rule.")
    _check_droplets(cloud, body.droplet_ids)
    return Firewall(
        id=id,
        name=body.name,
        created_at=created_at,
        inbound=inbound,
        outbound=outbound,
        droplet_ids=unique(body.droplet_ids),
        tags=_tag_names(cloud, body.tags),
    )


def _rules(cloud: Cloud, body: Rules) -> tuple[list[FirewallRule], list[FirewallRule]]:
    inbound = [_checked_rule(cloud, rule.to_record()) for rule in body.inbound_rules]
    outbound = [_checked_rule(cloud, rule.to_record()) for rule in body.outbound_rules]
    return inbound, outbound


def _checked_rule(cloud: Cloud, rule: FirewallRule) -> FirewallRule:
    """Return the rule with the stored names of its tags, if all resources in it exist."""
    peers = rule.peers
    _check_droplets(cloud, peers.droplet_ids)
    for id in peers.load_balancer_uids:
        if cloud.store.get(LoadBalancer, id) is None:
            raise unprocessable(f"load balancer {id} does not exist")
    peers = peers.model_copy(update={"tags": _tag_names(cloud, peers.tags)})
    return rule.model_copy(update={"peers": peers})


def _tag_names(cloud: Cloud, names: list[str]) -> list[str]:
    """Return the stored names of tags, which must exist."""
    stored_names = []
    for name in names:
        tag = tagging.find_tag(cloud.store, name)
        if tag is None:
            raise unprocessable(f"tag {name} does not exist")
        stored_names.append(tag.name)
    return unique(stored_names)


def _check_limit(items: str, count: int, limit: int) -> None:
    if count > limit:
        raise unprocessable(f"A firewall can have up to {limit} {items}.")


def _check_droplets(cloud: Cloud, ids: list[int]) -> None:
    existing = {droplet.id for droplet in lookup.list_droplets(cloud.store)}
    for id in ids:
        if id not in existing:
            raise unprocessable(f"droplet {id} does not exist")
