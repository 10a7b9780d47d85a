"""Load balancers: creation, changes, deletion."""

import logging
from typing import Any
from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import unprocessable
from rehearsal.resources.load_balancers import dns_records, schemas, validation
from rehearsal.resources.load_balancers.schemas import LoadBalancerWrite
from rehearsal.state import (
    addressing,
    firewalls,
    lookup,
    project_assignment,
    states,
    tagging,
)
from rehearsal.state.records import LoadBalancer, Vpc
from rehearsal.topology.protocol import MachineError

log = logging.getLogger("rehearsal")


def create(cloud: Cloud, body: LoadBalancerWrite) -> LoadBalancer:
    """Create a load balancer, which begins to forward in the background.

    Raises:
        ApiError: 422 for the first invalid field.
    """
    store = cloud.store
    if lookup.find_region(body.region) is None:
        raise unprocessable("You specified an invalid region for Load LoadBalancer creation.")
    fields = validation.to_record_fields(store, body)
    project = lookup.resolve_project(store, body.project_id)
    with store.transaction():
        vpc = _vpc(cloud, body)
        _check_droplets(cloud, body.droplet_ids, vpc)
        project = project or project_assignment.ensure_default_project(store)
        private_ip = next(addressing.free_private_addresses(store, vpc))
        public_ip = (
            private_ip
            if body.network == "INTERNAL"
            else next(addressing.free_public_addresses(store, cloud.config))
        )
        balancer = LoadBalancer(
            **fields,
            id=str(uuid4()),
            region=body.region,
            vpc_id=vpc.id,
            network=body.network or "EXTERNAL",
            public_ip=public_ip,
            private_ip=private_ip,
            status=states.LoadBalancerStatus.NEW,
            created_at=now(),
            project_id=project.id,
            droplet_ids=body.droplet_ids,
            tag=_tag(cloud, body.tag),
        )
        store.put(balancer)
        project_assignment.assign(store, balancer.urn, project)
        dns_records.ensure(store, balancer)
    cloud.worker.spawn(_activate(cloud, balancer.id, balancer.created_at))
    return balancer


async def replace(cloud: Cloud, balancer: LoadBalancer, body: LoadBalancerWrite) -> LoadBalancer:
    """Replace a load balancer's settings; absent fields get their default.

    Raises:
        ApiError: 422 for the first invalid field, or for another region, VPC or network.
    """
    store = cloud.store
    if body.region not in ("", balancer.region) or body.vpc_uuid not in ("", balancer.vpc_id):
        raise unprocessable("The region and the VPC of a Load LoadBalancer can not be changed.")
    if "network" in body.model_fields_set and body.network not in ("", balancer.network):
        raise unprocessable("The network of a Load LoadBalancer can not be changed.")
    fields = validation.to_record_fields(store, body)
    project = lookup.resolve_project(store, body.project_id)
    _check_droplets(cloud, body.droplet_ids, lookup.get_vpc(store, balancer.vpc_id))
    with store.transaction():
        changes = fields | {"droplet_ids": body.droplet_ids, "tag": _tag(cloud, body.tag)}
        if project and project.id != balancer.project_id:
            project_assignment.assign(store, balancer.urn, project)
            changes["project_id"] = project.id
        changed = balancer.model_copy(update=changes)
        store.put(changed)
        dns_records.ensure(store, changed)
    await cloud.network.reconcile()
    return lookup.get_load_balancer(store, balancer.id)


async def delete(cloud: Cloud, balancer: LoadBalancer) -> None:
    store = cloud.store
    with store.transaction():
        store.delete(balancer)
        project_assignment.unassign(store, balancer.urn)
        firewalls.remove_references(store, load_balancer_ids={balancer.id})
    await cloud.network.reconcile()


async def set_droplets(cloud: Cloud, balancer: LoadBalancer, ids: list[int]) -> None:
    """Set the droplets that a load balancer forwards to.

    Raises:
        ApiError: 422 if it has a tag, or for a droplet outside its VPC.
    """
    if balancer.tag:
        raise unprocessable("Droplets can not be assigned to a Load LoadBalancer that has a tag.")
    _check_droplets(cloud, ids, lookup.get_vpc(cloud.store, balancer.vpc_id))
    await _change(cloud, balancer, {"droplet_ids": list(dict.fromkeys(ids))})


async def add_rules(
    cloud: Cloud, balancer: LoadBalancer, added: list[schemas.ForwardingRule]
) -> None:
    """Add forwarding rules.

    Raises:
        ApiError: 422 for an unsupported rule, or a port in use.
    """
    rules = validation.check_rules(cloud.store, [*_rule_bodies(balancer), *added])
    await _change(cloud, balancer, {"forwarding_rules": rules})


async def remove_rules(
    cloud: Cloud, balancer: LoadBalancer, removed: list[schemas.ForwardingRule]
) -> None:
    """Remove forwarding rules by entry protocol and port.

    Raises:
        ApiError: 422 if no rule would be left.
    """
    removed_entries = {(rule.entry_protocol, rule.entry_port) for rule in removed}
    remaining = [
        rule
        for rule in balancer.forwarding_rules
        if (rule.entry_protocol, rule.entry_port) not in removed_entries
    ]
    if not remaining:
        raise unprocessable("A Load LoadBalancer must have at least one forwarding rule.")
    await _change(cloud, balancer, {"forwarding_rules": remaining})


def resume(cloud: Cloud) -> None:
    """Activate the load balancers that an earlier API process left as new."""
    for balancer in cloud.store.all(LoadBalancer):
        if balancer.status is states.LoadBalancerStatus.NEW:
            cloud.worker.spawn(_activate(cloud, balancer.id, balancer.created_at))


async def _activate(cloud: Cloud, id: str, since: str) -> None:
    try:
        async with cloud.times.enforce_minimum("load_balancer", "create", since):
            await cloud.network.reconcile()
        transition = states.ACTIVATE
    except MachineError as error:
        log.error("load balancer %s cannot be activated: %s", id, error)
        transition = states.FAIL_ACTIVATION
    balancer = cloud.store.get(LoadBalancer, id)
    if balancer:
        with cloud.store.transaction():
            cloud.store.put(balancer.model_copy(update={"status": transition(balancer.status)}))


async def _change(cloud: Cloud, balancer: LoadBalancer, changes: dict[str, Any]) -> None:
    changed = balancer.model_copy(update=changes)
    with cloud.store.transaction():
        cloud.store.put(changed)
        dns_records.ensure(cloud.store, changed)
    await cloud.network.reconcile()


def _rule_bodies(balancer: LoadBalancer) -> list[schemas.ForwardingRule]:
    return [
        schemas.ForwardingRule.model_validate(rule.model_dump())
        for rule in balancer.forwarding_rules
    ]


def _vpc(cloud: Cloud, body: LoadBalancerWrite) -> Vpc:
    if not body.vpc_uuid:
        return addressing.ensure_default_vpc(cloud.store, body.region)
    vpc = cloud.store.get(Vpc, body.vpc_uuid)
    if vpc is None or vpc.region != body.region:
        raise unprocessable(f"VPC {body.vpc_uuid} does not exist in region {body.region}.")
    return vpc


def _check_droplets(cloud: Cloud, ids: list[int], vpc: Vpc) -> None:
    members = {
        droplet.id for droplet in lookup.list_droplets(cloud.store) if droplet.vpc_id == vpc.id
    }
    for id in ids:
        if id not in members:
            raise unprocessable(f"droplet {id} does not exist in the VPC of the Load LoadBalancer")


def _tag(cloud: Cloud, name: str) -> str:
    """Return the stored name of a tag, which is created if it does not exist."""
    if not name:
        return ""
    tagging.check_names([name])
    return tagging.ensure_tags(cloud.store, [name])[0]
