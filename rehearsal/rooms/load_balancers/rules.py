"""Load balancers: what one may be, and how it begins to forward."""

import logging
from typing import Any
from uuid import uuid4

from rehearsal import addressing, lookup, ownership, states, tagging
from rehearsal.clock import now
from rehearsal.cloud import Cloud
from rehearsal.errors import unprocessable
from rehearsal.machines.protocol import MachineError
from rehearsal.records import Balancer, Firewall, FirewallRule, ForwardingRule, HealthCheck, Project, StickySessions, Vpc
from rehearsal.rooms.load_balancers import shapes
from rehearsal.rooms.load_balancers.shapes import BalancerWrite

log = logging.getLogger("rehearsal")


def create(cloud: Cloud, body: BalancerWrite) -> Balancer:
    """Raises: ApiError 422 for the first thing wrong."""
    store = cloud.store
    if lookup.region(body.region) is None:
        raise unprocessable("You specified an invalid region for Load Balancer creation.")
    facts = _facts(body)
    project = _project(cloud, body.project_id)
    with store.write():
        vpc = _vpc(cloud, body)
        _check_droplets(cloud, body.droplet_ids, vpc)
        project = project or ownership.default_project(store)
        balancer = Balancer(
            **facts,
            id=str(uuid4()),
            region=body.region,
            vpc_id=vpc.id,
            public=next(addressing.free_public(store, cloud.config)),
            private=next(addressing.free_private(store, vpc)),
            status=states.BalancerStatus.NEW,
            created_at=now(),
            project_id=project.id,
            droplet_ids=body.droplet_ids,
            tag=_tag(cloud, body.tag),
        )
        store.put(balancer)
        ownership.assign(store, balancer.urn, project)
    cloud.worker.spawn(_bring_up(cloud, balancer.id))
    return balancer


async def replace(cloud: Cloud, balancer: Balancer, body: BalancerWrite) -> Balancer:
    """A full update. Region and VPC stay.

    Raises:
        ApiError: 422 for the first thing wrong
    """
    store = cloud.store
    if body.region not in ("", balancer.region) or body.vpc_uuid not in ("", balancer.vpc_id):
        raise unprocessable("The region and the VPC of a Load Balancer can not be changed.")
    facts = _facts(body)
    project = _project(cloud, body.project_id)
    _check_droplets(cloud, body.droplet_ids, lookup.vpc(store, balancer.vpc_id))
    with store.write():
        changes = facts | {"droplet_ids": body.droplet_ids, "tag": _tag(cloud, body.tag)}
        if project and project.id != balancer.project_id:
            ownership.assign(store, balancer.urn, project)
            changes["project_id"] = project.id
        store.put(balancer.model_copy(update=changes))
    await cloud.network.settle()
    return lookup.balancer(store, balancer.id)


async def delete(cloud: Cloud, balancer: Balancer) -> None:
    store = cloud.store
    with store.write():
        store.delete(balancer)
        ownership.release(store, balancer.urn)
        for firewall in store.all(Firewall):
            inbound, outbound = ([_without(rule, balancer.id) for rule in rules] for rules in (firewall.inbound, firewall.outbound))
            if (inbound, outbound) != (firewall.inbound, firewall.outbound):
                store.put(firewall.model_copy(update={"inbound": inbound, "outbound": outbound}))
    await cloud.network.settle()


async def set_droplets(cloud: Cloud, balancer: Balancer, ids: list[int]) -> None:
    """Raises: ApiError 422 for a balancer that follows a tag, or a droplet that is not in its VPC."""
    if balancer.tag:
        raise unprocessable("Droplets can not be assigned to a Load Balancer that has a tag.")
    _check_droplets(cloud, ids, lookup.vpc(cloud.store, balancer.vpc_id))
    await _change(cloud, balancer, {"droplet_ids": list(dict.fromkeys(ids))})


async def add_rules(cloud: Cloud, balancer: Balancer, added: list[shapes.ForwardingRule]) -> None:
    await _change(cloud, balancer, {"forwarding_rules": _rules([*_wire(balancer), *added])})


async def remove_rules(cloud: Cloud, balancer: Balancer, removed: list[shapes.ForwardingRule]) -> None:
    gone = {(rule.entry_protocol, rule.entry_port) for rule in removed}
    rest = [rule for rule in balancer.forwarding_rules if (rule.entry_protocol, rule.entry_port) not in gone]
    if not rest:
        raise unprocessable("A Load Balancer must have at least one forwarding rule.")
    await _change(cloud, balancer, {"forwarding_rules": rest})


def resume(cloud: Cloud) -> None:
    """After a start of the API: bring up those that were still new."""
    for balancer in cloud.store.all(Balancer):
        if balancer.status is states.BalancerStatus.NEW:
            cloud.worker.spawn(_bring_up(cloud, balancer.id))


async def _bring_up(cloud: Cloud, id: str) -> None:
    try:
        await cloud.network.settle()
        step = states.FORWARDING
    except MachineError as error:
        log.error("load balancer %s does not forward: %s", id, error)
        step = states.NOT_FORWARDING
    balancer = cloud.store.get(Balancer, id)
    if balancer:
        with cloud.store.write():
            cloud.store.put(balancer.model_copy(update={"status": step(balancer.status)}))


async def _change(cloud: Cloud, balancer: Balancer, changes: dict[str, Any]) -> None:
    with cloud.store.write():
        cloud.store.put(balancer.model_copy(update=changes))
    await cloud.network.settle()


def _facts(body: BalancerWrite) -> dict[str, Any]:
    """The fields that a record takes over from a request, after the rules that join several of them."""
    if body.type not in ("", "REGIONAL") or body.network not in ("", "EXTERNAL") or body.network_stack not in ("", "IPV4"):
        raise unprocessable("The rehearsal cloud has external regional IPv4 load balancers only.")
    if body.firewall.allow or body.firewall.deny:
        raise unprocessable("The rehearsal cloud has no firewall rules of load balancers.")
    if body.droplet_ids and body.tag:
        raise unprocessable("Only one of droplet_ids and tag can be given.")
    return {
        "name": body.name,
        "algorithm": body.algorithm,
        "forwarding_rules": _rules(body.forwarding_rules),
        "health_check": HealthCheck(**body.health_check.model_dump()),
        "sticky_sessions": StickySessions(**body.sticky_sessions.model_dump()),
        "redirect_http_to_https": body.redirect_http_to_https,
        "enable_proxy_protocol": body.enable_proxy_protocol,
        "enable_backend_keepalive": body.enable_backend_keepalive,
        "disable_lets_encrypt_dns_records": body.disable_lets_encrypt_dns_records,
        "http_idle_timeout_seconds": body.http_idle_timeout_seconds,
        "tls_cipher_policy": body.tls_cipher_policy or "DEFAULT",
        "size_unit": body.size_unit,
    }


def _rules(rules: list[shapes.ForwardingRule]) -> list[ForwardingRule]:
    """Raises: ApiError 422 for a port taken twice, or a protocol that cannot be forwarded here."""
    ports = [rule.entry_port for rule in rules]
    if len(set(ports)) < len(ports):
        raise unprocessable("Each forwarding rule needs an entry port of its own.")
    return [_rule(rule) for rule in rules]


def _rule(rule: shapes.ForwardingRule) -> ForwardingRule:
    if rule.certificate_id:
        raise unprocessable(f"certificate {rule.certificate_id} does not exist")
    secure = rule.entry_protocol in ("https", "http2", "http3")
    if secure and not rule.tls_passthrough:
        raise unprocessable(f"{rule.entry_protocol} needs a certificate_id or tls_passthrough.")
    if rule.entry_protocol not in ("http", "https", "tcp") or rule.target_protocol not in ("http", "https", "tcp"):
        raise unprocessable("The rehearsal cloud forwards http, tcp, and https that passes through.")
    if (rule.entry_protocol == "https") != (rule.target_protocol == "https"):
        raise unprocessable("TLS that passes through needs https as entry and as target protocol.")
    return ForwardingRule.model_validate(rule.model_dump())


def _wire(balancer: Balancer) -> list[shapes.ForwardingRule]:
    return [shapes.ForwardingRule.model_validate(rule.model_dump()) for rule in balancer.forwarding_rules]


def _project(cloud: Cloud, id: str) -> Project | None:
    project = cloud.store.get(Project, id) if id else None
    if id and project is None:
        raise unprocessable(f"project {id} does not exist")
    return project


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
    return rule.model_copy(update={"peers": rule.peers.model_copy(update={"load_balancer_uids": ids})})
