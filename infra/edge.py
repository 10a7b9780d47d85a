"""The load balancer, and the one hole in the workers' firewall that it goes through."""

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.targeting import apply_if_created


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """What the edge stands in front of."""

    prefix: str
    """How the names of this stack start."""
    region: str
    vpc_id: pulumi.Input[str]
    worker_tag: pulumi.Input[str]
    port: int
    """The port of frontserve on every worker that runs it."""


class Edge(pulumi.ComponentResource):
    """A load balancer that follows the workers' tag; it needs no droplet to be made, so it is made beside them."""

    balancer: digitalocean.LoadBalancer
    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Edge", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.balancer = digitalocean.LoadBalancer(
            f"{name}-balancer",
            name=args.prefix,
            region=args.region,
            vpc_uuid=args.vpc_id,
            algorithm="round_robin",
            droplet_tag=args.worker_tag,
            forwarding_rules=[
                digitalocean.LoadBalancerForwardingRuleArgs(
                    entry_protocol="http",
                    entry_port=80,
                    target_protocol="http",
                    target_port=args.port,
                )
            ],
            healthcheck=digitalocean.LoadBalancerHealthcheckArgs(
                protocol="http",
                port=args.port,
                path="/health",
                check_interval_seconds=3,
                response_timeout_seconds=3,
                healthy_threshold=2,
                unhealthy_threshold=2,
            ),
            opts=child,
        )
        digitalocean.Firewall(
            f"{name}-firewall",
            name=f"{args.prefix}-edge",
            tags=[args.worker_tag],
            inbound_rules=[
                digitalocean.FirewallInboundRuleArgs(
                    protocol="tcp",
                    port_range=str(args.port),
                    source_load_balancer_uids=[self.balancer.id],
                )
            ],
            opts=child,
        )
        self.url = apply_if_created(self.balancer.ip, lambda ip: f"http://{ip}/")
        self.register_outputs({"url": self.url})
