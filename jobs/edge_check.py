"""The load balancer in Consul's catalogue with its health check, and the services' protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from infra.drift.consul_entries import ConsulEntries, Entry, config_entry
from infra.mtls import Access
from jobs.canonical_json import canonical_json
from jobs.child_options import child_options
from jobs.services import EDGE_NODE, Service

TAGS = ["http"]
CHECK_ID = "edge:url"
EXTERNAL = {"external-node": "true", "external-probe": "true"}
"""Marks a node that has no agent: prober, or consul-esm, runs its checks."""

DEFAULTS_KIND = "service-defaults"
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
    access: pulumi.Input[Access]


class EdgeCheck(pulumi.ComponentResource):
    """The load balancer as an external node with a checked service, and service defaults."""

    edge_service: pulumi.Output[str]

    def __init__(
        self, name: str, args: EdgeCheckArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:EdgeCheck", name, None, opts)
        clients = [service.name for service in args.services if service.has_clients]
        entries = ConsulEntries(
            f"{name}-in-consul",
            entries={
                "node": Entry(
                    path=f"/v1/catalog/node/{EDGE_NODE}",
                    declared={"Node": {"Address": args.edge_address, "Meta": EXTERNAL}},
                ),
                "service": Entry(
                    path=f"/v1/health/service/{EDGE_NODE}",
                    declared={
                        "Node": {"Node": EDGE_NODE},
                        "Service": {"Port": args.edge_port, "Tags": TAGS},
                    },
                ),
                "check": Entry(
                    path=f"/v1/health/checks/{EDGE_NODE}",
                    declared={
                        "Node": EDGE_NODE,
                        "CheckID": CHECK_ID,
                        "Definition": {"HTTP": args.url},
                    },
                ),
                **{key: config_entry(DEFAULTS_KIND, key, SERVICE_DEFAULTS) for key in clients},
            },
            access=args.access,
            options=child_options(self, opts),
        )
        node = consul.Node(
            f"{name}-edge-node",
            name=EDGE_NODE,
            address=args.edge_address,
            meta=EXTERNAL,
            opts=entries.options("node"),
        )
        check = consul.ServiceCheckArgs(
            check_id=CHECK_ID,
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
            tags=TAGS,
            checks=[check],
            opts=pulumi.ResourceOptions.merge(
                entries.options("service", "check"),
                # A replaced node has no services. Prober writes the status.
                pulumi.ResourceOptions(replace_with=[node], ignore_changes=["checks[*].status"]),
            ),
        )
        for key in clients:
            consul.ConfigEntry(
                f"{name}-{key}-defaults",
                kind=DEFAULTS_KIND,
                name=key,
                config_json=canonical_json(SERVICE_DEFAULTS),
                opts=entries.options(key),
            )
        self.edge_service = edge.name
        self.register_outputs({"edge_service": self.edge_service})
