"""The arguments of provider resources as request bodies of DigitalOcean's API.

A list that the program leaves out is empty, so that an entry added by hand is a difference.
"""

from typing import Any

import pulumi_digitalocean as digitalocean

FORWARDING_RULE = ("entry_protocol", "entry_port", "target_protocol", "target_port")
HEALTH_CHECK = (
    "protocol",
    "port",
    "path",
    "check_interval_seconds",
    "response_timeout_seconds",
    "healthy_threshold",
    "unhealthy_threshold",
)


def firewall_body(args: digitalocean.FirewallArgs) -> dict[str, Any]:
    """Return the body of a firewall."""
    rules: dict[str, Any] = {"inbound_rules": [], "outbound_rules": []}
    for inbound in _list(args.inbound_rules):
        sources = {
            "addresses": _list(inbound.source_addresses),
            "tags": _list(inbound.source_tags),
            "load_balancer_uids": _list(inbound.source_load_balancer_uids),
            "droplet_ids": [],
        }
        rules["inbound_rules"].append({**_ports(inbound), "sources": sources})
    for outbound in _list(args.outbound_rules):
        destinations = {"addresses": _list(outbound.destination_addresses)}
        rules["outbound_rules"].append({**_ports(outbound), "destinations": destinations})
    return {"name": args.name, "tags": _list(args.tags), "droplet_ids": [], **rules}


def load_balancer_body(args: digitalocean.LoadBalancerArgs) -> dict[str, Any]:
    """Return the body of a load balancer."""
    return {
        "name": args.name,
        "region": args.region,
        "vpc_uuid": args.vpc_uuid,
        "tag": args.droplet_tag,
        "forwarding_rules": [
            _select(rule, FORWARDING_RULE) for rule in _list(args.forwarding_rules)
        ],
        "health_check": _select(args.healthcheck, HEALTH_CHECK),
    }


def _ports(rule: Any) -> dict[str, Any]:
    if rule.port_range is None:
        return {"protocol": rule.protocol}
    return {"protocol": rule.protocol, "ports": rule.port_range}


def _select(args: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names}


def _list(values: Any) -> list[Any]:
    return list(values or ())
