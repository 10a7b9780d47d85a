"""Load balancers: what one may be, and how it begins to forward."""

import logging
from typing import Any
from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import unprocessable
from rehearsal.resources.load_balancers import dns_records, schemas, validation
from rehearsal.resources.load_balancers.schemas import BalancerWrite
from rehearsal.state import addressing, lookup, ownership, states, tagging
from rehearsal.state.records import Balancer, Firewall, FirewallRule, Vpc
from rehearsal.topology.protocol import MachineError

log = logging.getLogger("rehearsal")


def create(cloud: Cloud, body: BalancerWrite) -> Balancer:
    """Raises: ApiError 422 for the first thing wrong."""
    store = cloud.store
    if lookup.region(body.region) is None:
        raise unprocessable("You specified an invalid region for Load Balancer creation.")
    wanted = validation.of(store, body)
    project = lookup.named_project(store, body.project_id)
    with store.write():
        vpc = _vpc(cloud, body)
        _check_droplets(cloud, body.droplet_ids, vpc)
        project = project or ownership.default_project(store)
        private = next(addressing.free_private(store, vpc))
        balancer = Balancer(
            **wanted,
            id=str(uuid4()),
            region=body.region,
            vpc_id=vpc.id,
            network=body.network or "EXTERNAL",
            public=private
            if body.network == "INTERNAL"
            else next(addressing.free_public(store, cloud.config)),
            private=private,
            status=states.BalancerStatus.NEW,
            created_at=now(),
            project_id=project.id,
            droplet_ids=body.droplet_ids,
            tag=_tag(cloud, body.tag),
        )
        store.put(balancer)
        ownership.assign(store, balancer.urn, project)
        dns_records.ensure(store, balancer)
    cloud.worker.spawn(_bring_up(cloud, balancer.id, balancer.created_at))
    return balancer


async def replace(cloud: Cloud, balancer: Balancer, body: BalancerWrite) -> Balancer:
    """A full update: what the body leaves out goes back to its default. Region, VPC and network stay.

    Raises:
        ApiError: 422 for the first thing wrong
    """
    store = cloud.store
    if body.region not in ("", balancer.region) or body.vpc_uuid not in ("", balancer.vpc_id):
        raise unprocessable("The region and the VPC of a Load Balancer can not be changed.")
    if "network" in body.model_fields_set and body.network not in ("", balancer.network):
        raise unprocessable("The network of a Load Balancer can not be changed.")
    wanted = validation.of(store, body)
    project = lookup.named_project(store, body.project_id)
    _check_droplets(cloud, body.droplet_ids, lookup.vpc(store, balancer.vpc_id))
    with store.write():
        changes = wanted | {"droplet_ids": body.droplet_ids, "tag": _tag(cloud, body.tag)}
        if project and project.id != balancer.project_id:
            ownership.assign(store, balancer.urn, project)
            changes["project_id"] = project.id
        changed = balancer.model_copy(update=changes)
        store.put(changed)
        dns_records.ensure(store, changed)
    await cloud.network.reconcile()
    return lookup.balancer(store, balancer.id)


async def delete(cloud: Cloud, balancer: Balancer) -> None:
    store = cloud.store
    with store.write():
        store.delete(balancer)
        ownership.release(store, balancer.urn)
        for firewall in store.all(Firewall):
            inbound, outbound = (
                [_without(rule, balancer.id) for rule in rules]
                for rules in (firewall.inbound, firewall.outbound)
            )
            if (inbound, outbound) != (firewall.inbound, firewall.outbound):
                store.put(firewall.model_copy(update={"inbound": inbound, "outbound": outbound}))
    await cloud.network.reconcile()


async def set_droplets(cloud: Cloud, balancer: Balancer, ids: list[int]) -> None:
    """Raises: ApiError 422 for a balancer that follows a tag, or a droplet that is not in its VPC."""
    if balancer.tag:
        raise unprocessable("Droplets can not be assigned to a Load Balancer that has a tag.")
    _check_droplets(cloud, ids, lookup.vpc(cloud.store, balancer.vpc_id))
    await _change(cloud, balancer, {"droplet_ids": list(dict.fromkeys(ids))})


async def add_rules(cloud: Cloud, balancer: Balancer, added: list[schemas.ForwardingRule]) -> None:
    """Raises: ApiError 422 for a rule that cannot be forwarded here, or a port that is taken."""
    rules = validation.rules(cloud.store, [*_wire(balancer), *added])
    await _change(cloud, balancer, {"forwarding_rules": rules})


async def remove_rules(
    cloud: Cloud, balancer: Balancer, removed: list[schemas.ForwardingRule]
) -> None:
    gone = {(rule.entry_protocol, rule.entry_port) for rule in removed}
    rest = [
        rule
        for rule in balancer.forwarding_rules
        if (rule.entry_protocol, rule.entry_port) not in gone
    ]
    if not rest:
        raise unprocessable("A Load Balancer must have at least one forwarding rule.")
    await _change(cloud, balancer, {"forwarding_rules": rest})


def resume(cloud: Cloud) -> None:
    """After a start of the API: bring up those that were still new."""
    for balancer in cloud.store.all(Balancer):
        if balancer.status is states.BalancerStatus.NEW:
            cloud.worker.spawn(_bring_up(cloud, balancer.id, balancer.created_at))


async def _bring_up(cloud: Cloud, id: str, since: str) -> None:
    try:
        async with cloud.times.enforce_minimum("load_balancer", "create", since):
            await cloud.network.reconcile()
        step = states.FORWARDING
    except MachineError as error:
        log.error("load balancer %s does not forward: %s", id, error)
        step = states.NOT_FORWARDING
    balancer = cloud.store.get(Balancer, id)
    if balancer:
        with cloud.store.write():
            cloud.store.put(balancer.model_copy(update={"status": step(balancer.status)}))


async def _change(cloud: Cloud, balancer: Balancer, changes: dict[str, Any]) -> None:
    changed = balancer.model_copy(update=changes)
    with cloud.store.write():
        cloud.store.put(changed)
        dns_records.ensure(cloud.store, changed)
    await cloud.network.reconcile()


def _wire(balancer: Balancer) -> list[schemas.ForwardingRule]:
    return [
        schemas.ForwardingRule.model_validate(rule.model_dump())
        for rule in balancer.forwarding_rules
    ]


def _vpc(cloud: Cloud, body: BalancerWrite) -> Vpc:
    if not body.vpc_uuid:
        return addressing.default_vpc(cloud.store, body.region)
    vpc = cloud.store.get(Vpc, body.vpc_uuid)
    if vpc is None or vpc.region != body.region:
        raise unprocessable(f"VPC {body.vpc_uuid} does not exist in region {body.region}.")
    return vpc


def _check_droplets(cloud: Cloud, ids: list[int], vpc: Vpc) -> None:
    members = {droplet.id for droplet in lookup.droplets(cloud.store) if droplet.vpc_id == vpc.id}
    for id in ids:
        if id not in members:
            raise unprocessable(f"droplet {id} does not exist in the VPC of the Load Balancer")


def _tag(cloud: Cloud, name: str) -> str:
    """In the case of its creation; made if it is new."""
    if not name:
        return ""
    tagging.check([name])
    return tagging.ensure(cloud.store, [name])[0]


def _without(rule: FirewallRule, balancer: str) -> FirewallRule:
    ids = [id for id in rule.peers.load_balancer_uids if id != balancer]
    return rule.model_copy(
        update={"peers": rule.peers.model_copy(update={"load_balancer_uids": ids})}
    )
