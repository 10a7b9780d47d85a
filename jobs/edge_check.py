"""What Consul knows beyond the jobs: the edge with its health check, and the services' protocol."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from jobs.child_options import child_options

EXTERNAL = {"external-node": "true", "external-probe": "true"}
"""Marks a node that no agent runs on: the prober, or consul-esm, runs its checks instead."""

SERVICE_DEFAULTS = {"Expose": {}, "MeshGateway": {}, "Protocol": "http", "TransparentProxy": {}}
"""The empty blocks are there because Consul stores them: without them every update would find a difference."""


@dataclass(frozen=True, kw_only=True)
class EdgeCheckArgs:
    """The edge, and the services that speak HTTP."""

    edge_address: pulumi.Input[str]
    """The public address of the load balancer."""
    edge_port: int = 80
    url: pulumi.Input[str]
    """What the edge's check asks for, every 5 s."""
    services: Sequence[str]


class EdgeCheck(pulumi.ComponentResource):
    """The edge as an external node and service, checked from inside; service defaults for each service."""

    edge_service: pulumi.Output[str]

    def __init__(
        self, name: str, args: EdgeCheckArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:EdgeCheck", name, None, opts)
        inside = child_options(self, opts)
        node = consul.Node(
            f"{name}-edge-node", name="edge", address=args.edge_address, meta=EXTERNAL, opts=inside
        )
        check = consul.ServiceCheckArgs(
            check_id="edge:url",
            name="edge answers",
            http=args.url,
            method="GET",
            interval="5s",
            timeout="3s",
            status="critical",
            tls_skip_verify=False,
            # Never: the edge is Pulumi's to remove, also when it does not answer for long.
            deregister_critical_service_after="0s",
        )
        edge = consul.Service(
            f"{name}-edge",
            name="edge",
            node=node.name,
            port=args.edge_port,
            tags=["http"],
            checks=[check],
            opts=pulumi.ResourceOptions.merge(
                inside,
                # A node that is made again has no services; and the status is the prober's to write.
                pulumi.ResourceOptions(replace_with=[node], ignore_changes=["checks[*].status"]),
            ),
        )
        for service in args.services:
            consul.ConfigEntry(
                f"{name}-{service}-defaults",
                kind="service-defaults",
                name=service,
                config_json=json.dumps(SERVICE_DEFAULTS, sort_keys=True, separators=(",", ":")),
                opts=inside,
            )
        self.edge_service = edge.name
        self.register_outputs({"edge_service": self.edge_service})
