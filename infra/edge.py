"""The load balancer, and the rule that opens the workers' firewall for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.digitalocean_api import connect
from infra.drift.account_resources import AccountResources
from infra.drift.request_bodies import firewall_body, load_balancer_body
from infra.names import Role, firewall_name, network_name
from infra.settings import Settings
from infra.targeting import apply_if_created

LISTEN_PORT = 80
HEALTH_PATH = "/health"
CHECK_INTERVAL_S = 3
CHECK_TIMEOUT_S = 3
CHECKS_TO_CHANGE = 2
"""Consecutive results after which the load balancer considers a droplet healthy or unhealthy."""


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """Arguments of ``Edge``."""

    name: str
    """Name of the network, which no other network of the account has."""
    region: str
    vpc_id: pulumi.Input[str]
    worker_tag: pulumi.Input[str]
    port: int
    """Port of frontserve on every worker that runs it."""

    @classmethod
    def from_settings(
        cls,
        prefix: str,
        settings: Settings,
        vpc_id: pulumi.Input[str],
        tags: Mapping[Role, pulumi.Input[str]],
    ) -> Self:
        return cls(
            name=network_name(prefix, settings.region, settings.vpc_cidr),
            region=settings.region,
            vpc_id=vpc_id,
            worker_tag=tags["worker"],
            port=settings.frontserve_port,
        )


class Edge(pulumi.ComponentResource):
    """A load balancer for the droplets with the workers' tag, and its firewall rule.

    The load balancer depends on no droplet, so both are created at the same time.
    """

    load_balancer: digitalocean.LoadBalancer
    address: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Edge", name, None, opts)
        # The provider would delete first, because the names are set.
        child = pulumi.ResourceOptions(parent=self, delete_before_replace=False)
        balancer = _balancer_args(args)
        balancer_in_account = AccountResources(
            f"{name}-balancer-in-account",
            collection="load_balancers",
            bodies={"balancer": load_balancer_body(balancer)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.load_balancer = digitalocean.LoadBalancer(
            f"{name}-balancer",
            balancer,
            pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions.merge(child, balancer_in_account.trigger("balancer")),
                pulumi.ResourceOptions(
                    hooks=pulumi.ResourceHookBinding(before_create=[_taken_name_check()])
                ),
            ),
        )
        firewall = _firewall_args(args, self.load_balancer.id)
        firewall_in_account = AccountResources(
            f"{name}-firewall-in-account",
            collection="firewalls",
            bodies={"edge": firewall_body(firewall)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        digitalocean.Firewall(
            f"{name}-firewall",
            firewall,
            # A firewall for each load balancer: the old one is open until its network is deleted.
            pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions.merge(child, firewall_in_account.trigger("edge")),
                pulumi.ResourceOptions(replace_on_changes=["name"]),
            ),
        )
        self.address = self.load_balancer.ip
        self.url = apply_if_created(self.address, lambda ip: f"http://{ip}/")
        self.register_outputs({"url": self.url})


def _balancer_args(args: EdgeArgs) -> digitalocean.LoadBalancerArgs:
    return digitalocean.LoadBalancerArgs(
        name=args.name,
        region=args.region,
        vpc_uuid=args.vpc_id,
        droplet_tag=args.worker_tag,
        forwarding_rules=[
            digitalocean.LoadBalancerForwardingRuleArgs(
                entry_protocol="http",
                entry_port=LISTEN_PORT,
                target_protocol="http",
                target_port=args.port,
            )
        ],
        healthcheck=digitalocean.LoadBalancerHealthcheckArgs(
            protocol="http",
            port=args.port,
            path=HEALTH_PATH,
            check_interval_seconds=CHECK_INTERVAL_S,
            response_timeout_seconds=CHECK_TIMEOUT_S,
            healthy_threshold=CHECKS_TO_CHANGE,
            unhealthy_threshold=CHECKS_TO_CHANGE,
        ),
    )


def _firewall_args(args: EdgeArgs, balancer_id: pulumi.Output[str]) -> digitalocean.FirewallArgs:
    return digitalocean.FirewallArgs(
        name=firewall_name(args.name, "edge"),
        tags=[args.worker_tag],
        inbound_rules=[
            digitalocean.FirewallInboundRuleArgs(
                protocol="tcp",
                port_range=str(args.port),
                source_load_balancer_uids=[balancer_id],
            )
        ],
        # The provider refuses a firewall without rules, and a preview may not know the inbound
        # rule. The firewall of all nodes allows this as well.
        outbound_rules=[
            digitalocean.FirewallOutboundRuleArgs(
                protocol="icmp", destination_addresses=["0.0.0.0/0", "::/0"]
            )
        ],
    )


def _taken_name_check() -> pulumi.ResourceHook:
    """Return a hook that refuses to create a load balancer whose name another one has.

    The API would accept it. A killed update may have left one that the state does not have.
    """

    def check(args: pulumi.ResourceHookArgs) -> None:
        name = str((args.new_inputs or {})["name"])
        balancers = connect(pulumi.Config("digitalocean").get).list_all(
            "/v2/load_balancers", "load_balancers"
        )
        if any(balancer["name"] == name for balancer in balancers):
            raise pulumi.RunError(
                f"a load balancer {name} exists: if an interrupted update left it, run "
                f"`python -m deploy up {pulumi.get_stack()}`, which deletes it"
            )

    return pulumi.ResourceHook("load-balancer-name-check", check)
