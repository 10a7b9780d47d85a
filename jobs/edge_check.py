"""The load balancer in Consul's catalogue with its health check, and the services' protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from jobs.canonical_json import canonical_json
from jobs.child_options import child_options
from jobs.services import EDGE_NODE, Service

EXTERNAL = {"external-node": "true", "external-probe": "true"}
"""Marks a node that has no agent: prober, or consul-esm, runs its checks."""

SERVICE_DEFAULTS = {"Expose": {}, "MeshGateway": {}, "Protocol": "http", "TransparentProxy": {}}
"""Consul stores the empty blocks; without them every update would show a difference."""


@dataclass(frozen=True, kw_only=True)
class EdgeCheckArgs:
    """The load balancer, and the services of the stack."""

    edge_address: pulumi.Input[str]
    """The public address of the load balancer."""
    edge_port: int = 80
    url: pulumi.Input[str]
    """The URL that the check requests every 5 s."""
    services: Sequence[Service]


class EdgeCheck(pulumi.ComponentResource):
    """The load balancer as an external node with a checked service, and service defaults."""

    edge_service: pulumi.Output[str]

    def __init__(
        self, name: str, args: EdgeCheckArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:EdgeCheck", name, None, opts)
        children = child_options(self, opts)
        node = consul.Node(
            f"{name}-edge-node",
            name=EDGE_NODE,
            address=args.edge_address,
            meta=EXTERNAL,
            opts=children,
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
            # 0s means never: only Pulumi removes the edge, however long its check fails.
            deregister_critical_service_after="0s",
        )
        edge = consul.Service(
            f"{name}-edge",
            name=EDGE_NODE,
            node=node.name,
            port=args.edge_port,
            tags=["http"],
            checks=[check],
            opts=pulumi.ResourceOptions.merge(
                children,
                # A replaced node has no services. Prober writes the status.
                pulumi.ResourceOptions(replace_with=[node], ignore_changes=["checks[*].status"]),
            ),
        )
        for service in args.services:
            if service.has_clients:
                consul.ConfigEntry(
                    f"{name}-{service.name}-defaults",
                    kind="service-defaults",
                    name=service.name,
                    config_json=canonical_json(SERVICE_DEFAULTS),
                    opts=children,
                )
        self.edge_service = edge.name
        self.register_outputs({"edge_service": self.edge_service})
