"""The private network, the tags that tell roles apart, and the firewalls that go by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal, Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.addresses import Network as Cidr
from infra.names import Role, role_tag
from infra.node import DropletTemplate
from infra.settings import Settings

EVERYWHERE = ["0.0.0.0/0", "::/0"]
DYNAMIC_PORTS = "20000-32000"
"""Where Nomad puts a service that asks for no port of its own."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a stack's network is made of."""

    prefix: str
    """How the names and tags of this stack start."""
    region: str
    vpc_cidr: IPv4Network
    admin_cidrs: Sequence[Cidr]
    enrol_key: pulumi.Input[str]
    """Public half of the SSH key by which machines know the stack."""

    @classmethod
    def of(cls, prefix: str, settings: Settings, enrol_key: pulumi.Input[str]) -> Self:
        chosen = {"region", "vpc_cidr", "admin_cidrs"}
        return cls(
            prefix=prefix,
            enrol_key=enrol_key,
            **{name: value for name, value in settings if name in chosen},
        )


class Network(pulumi.ComponentResource):
    """A VPC, and on each role's tag the firewalls that let in what its agents need and no more."""

    vpc_id: pulumi.Output[str]
    prime_tag: pulumi.Output[str]
    worker_tag: pulumi.Output[str]

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        vpc = digitalocean.Vpc(
            f"{name}-vpc",
            name=args.prefix,
            region=args.region,
            ip_range=str(args.vpc_cidr),
            # A name is taken once in an account: the old network goes first, and with it all that is in it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self._args = args
        self.vpc_id = vpc.id
        self.prime_tag = digitalocean.Tag(
            f"{name}-prime", name=role_tag(args.prefix, "prime"), opts=child
        ).name
        self.worker_tag = digitalocean.Tag(
            f"{name}-worker", name=role_tag(args.prefix, "worker"), opts=child
        ).name
        self._firewalls = [
            self._firewall(
                f"{name}-node",
                f"{args.prefix}-node",
                [self.prime_tag, self.worker_tag],
                self._node_rules(),
                _outbound(),
            ),
            self._firewall(
                f"{name}-primes",
                f"{args.prefix}-primes",
                [self.prime_tag],
                self._prime_rules(),
                None,
            ),
            self._firewall(
                f"{name}-workers",
                f"{args.prefix}-workers",
                [self.worker_tag],
                self._worker_rules(),
                None,
            ),
        ]
        # A droplet that is made with no key gets a password for root instead, and DigitalOcean sends it by mail.
        self._key = digitalocean.SshKey(
            f"{name}-key", name=args.prefix, public_key=args.enrol_key, opts=child
        )
        self.register_outputs(
            {"vpc_id": self.vpc_id, "prime_tag": self.prime_tag, "worker_tag": self.worker_tag}
        )

    def droplet_template(
        self, role: Role, settings: Settings, image: pulumi.Input[str]
    ) -> DropletTemplate:
        """What machines of a role are made from, in this network."""
        return DropletTemplate(
            role=role,
            region=self._args.region,
            size=settings.prime_size if role == "prime" else settings.worker_size,
            task_driver=settings.task_driver,
            vpc_cidr=self._args.vpc_cidr,
            vpc_id=self.vpc_id,
            tag=self.prime_tag if role == "prime" else self.worker_tag,
            image=image,
            ssh_keys=[self._key.fingerprint],
            depends_on=self._firewalls,
        )

    def _firewall(
        self,
        logical: str,
        name: str,
        tags: list[pulumi.Output[str]],
        inbound: list[digitalocean.FirewallInboundRuleArgs],
        outbound: list[digitalocean.FirewallOutboundRuleArgs] | None,
    ) -> digitalocean.Firewall:
        return digitalocean.Firewall(
            logical,
            name=name,
            tags=list(tags),
            inbound_rules=inbound,
            outbound_rules=outbound,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _node_rules(self) -> list[digitalocean.FirewallInboundRuleArgs]:
        """Every machine: SSH for administrators, Consul's gossip for its like."""
        nodes = [self.prime_tag, self.worker_tag]
        return [
            self._from_admins("22"),
            _from_tags("tcp", "8301", nodes),
            _from_tags("udp", "8301", nodes),
        ]

    def _prime_rules(self) -> list[digitalocean.FirewallInboundRuleArgs]:
        """Primes: Nomad's and Consul's HTTPS for administrators, RPC for all machines, gossip among servers."""
        nodes, primes = [self.prime_tag, self.worker_tag], [self.prime_tag]
        among_primes = [
            _from_tags(protocol, port, primes)
            for port in ("4648", "8302")
            for protocol in ("tcp", "udp")
        ]
        return [
            self._from_admins("4646"),
            self._from_admins("8501"),
            _from_tags("tcp", "4647", nodes),
            _from_tags("tcp", "8300", nodes),
            *among_primes,
        ]

    def _worker_rules(self) -> list[digitalocean.FirewallInboundRuleArgs]:
        """Workers: the services of their like; the load balancer's way in is made with it (``Edge``)."""
        return [_from_tags("tcp", DYNAMIC_PORTS, [self.worker_tag])]

    def _from_admins(self, port: str) -> digitalocean.FirewallInboundRuleArgs:
        sources = [str(cidr) for cidr in self._args.admin_cidrs]
        return digitalocean.FirewallInboundRuleArgs(
            protocol="tcp", port_range=port, source_addresses=sources
        )


def _from_tags(
    protocol: Literal["tcp", "udp"], port: str, tags: list[pulumi.Output[str]]
) -> digitalocean.FirewallInboundRuleArgs:
    return digitalocean.FirewallInboundRuleArgs(
        protocol=protocol, port_range=port, source_tags=list(tags)
    )


def _outbound() -> list[digitalocean.FirewallOutboundRuleArgs]:
    """A machine may reach anything."""
    return [
        digitalocean.FirewallOutboundRuleArgs(
            protocol="tcp", port_range="all", destination_addresses=EVERYWHERE
        ),
        digitalocean.FirewallOutboundRuleArgs(
            protocol="udp", port_range="all", destination_addresses=EVERYWHERE
        ),
        digitalocean.FirewallOutboundRuleArgs(protocol="icmp", destination_addresses=EVERYWHERE),
    ]
