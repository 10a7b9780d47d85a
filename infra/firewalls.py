"""The firewalls: open ports of droplets and their allowed sources.

To open a port, add a row to ``INBOUND_RULES``. The load balancer's rule is in ``infra/edge.py``,
because it names the load balancer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.addresses import Network as Cidr
from infra.drift.account_resources import AccountResources
from infra.drift.request_bodies import firewall_body
from infra.names import ROLES, Role, firewall_name
from infra.settings import Settings

Group = Literal["nodes", "primes", "workers"]
GROUPS: Mapping[Group, Sequence[Role]] = {
    "nodes": ROLES,
    "primes": ("prime",),
    "workers": ("worker",),
}
"""Groups of droplets, and the roles in each. ``nodes`` are all droplets in the VPC."""


DYNAMIC_PORTS = "20000-32000"
"""Ports that Nomad assigns to allocations that reserve none."""


class Rule(NamedTuple):
    """One inbound rule."""

    protocol: Literal["tcp", "udp"]
    ports: str
    """A port or a range."""
    source: Literal["admins"] | Group
    """Who may connect: the networks of ``admin_cidrs``, or the droplets of a group."""
    purpose: str


INBOUND_RULES: Mapping[Group, Sequence[Rule]] = {
    "nodes": (
        Rule("tcp", "22", "admins", "SSH"),
        Rule("tcp", "8301", "nodes", "Consul LAN gossip"),
        Rule("udp", "8301", "nodes", "Consul LAN gossip"),
    ),
    "primes": (
        Rule("tcp", "4646", "admins", "Nomad HTTPS API"),
        Rule("tcp", "4647", "nodes", "Nomad RPC"),
        Rule("tcp", "4648", "primes", "Nomad gossip"),
        Rule("udp", "4648", "primes", "Nomad gossip"),
        Rule("tcp", "8300", "nodes", "Consul RPC"),
        Rule("tcp", "8302", "primes", "Consul WAN gossip"),
        Rule("udp", "8302", "primes", "Consul WAN gossip"),
        Rule("tcp", "8501", "admins", "Consul HTTPS API"),
    ),
    "workers": (Rule("tcp", DYNAMIC_PORTS, "workers", "dynamic ports of Nomad allocations"),),
}
"""Open ports by the group of droplets that listen on them. All other ports are closed."""

ALL_ADDRESSES = ["0.0.0.0/0", "::/0"]


@dataclass(frozen=True, kw_only=True)
class FirewallsArgs:
    """Arguments of ``Firewalls``."""

    prefix: str
    """Start of all names of the stack."""
    admin_cidrs: Sequence[Cidr]
    tags: Mapping[Role, pulumi.Input[str]]
    """Tag of the droplets of each role."""

    @classmethod
    def from_settings(
        cls, prefix: str, settings: Settings, tags: Mapping[Role, pulumi.Input[str]]
    ) -> Self:
        return cls(prefix=prefix, admin_cidrs=settings.admin_cidrs, tags=tags)


class Firewalls(pulumi.ComponentResource):
    """A firewall for each group of droplets. Outbound connections are unrestricted."""

    firewalls: list[digitalocean.Firewall]

    def __init__(
        self, name: str, args: FirewallsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Firewalls", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        declared = {
            group: digitalocean.FirewallArgs(
                name=firewall_name(args.prefix, group),
                tags=[args.tags[role] for role in GROUPS[group]],
                inbound_rules=[_inbound(rule, args) for rule in rules],
                outbound_rules=_outbound() if group == "nodes" else None,
            )
            for group, rules in INBOUND_RULES.items()
        }
        in_account = AccountResources(
            f"{name}-in-account",
            collection="firewalls",
            bodies={group: firewall_body(firewall) for group, firewall in declared.items()},
            opts=child,
        )
        self.firewalls = [
            digitalocean.Firewall(
                f"{name}-{group}",
                firewall,
                pulumi.ResourceOptions.merge(child, in_account.trigger(group)),
            )
            for group, firewall in declared.items()
        ]
        self.register_outputs({"firewalls": [firewall.id for firewall in self.firewalls]})


def _inbound(rule: Rule, args: FirewallsArgs) -> digitalocean.FirewallInboundRuleArgs:
    if rule.source == "admins":
        return digitalocean.FirewallInboundRuleArgs(
            protocol=rule.protocol,
            port_range=rule.ports,
            source_addresses=[str(cidr) for cidr in args.admin_cidrs],
        )
    return digitalocean.FirewallInboundRuleArgs(
        protocol=rule.protocol,
        port_range=rule.ports,
        source_tags=[args.tags[role] for role in GROUPS[rule.source]],
    )


def _outbound() -> list[digitalocean.FirewallOutboundRuleArgs]:
    """Return rules that allow all outbound connections."""
    return [
        digitalocean.FirewallOutboundRuleArgs(
            protocol=protocol,
            port_range=None if protocol == "icmp" else "all",
            destination_addresses=ALL_ADDRESSES,
        )
        for protocol in ("tcp", "udp", "icmp")
    ]
