"""The load balancer in Consul's catalogue with its health check, and the services' protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_consul as consul

from infra.drift.consul_entries import ConsulEntries, Entry, config_entry
from infra.mtls import Access
from jobs.canonical_json import canonical_json
from jobs.child_options import child_options
from jobs.services import EDGE_NODE, Service

TAGS = ["http"]
CHECK_ID, CHECK_NAME = "edge:url", "edge answers"
INTERVAL, TIMEOUT = "5s", "3s"
NEVER = "0s"
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
        children = child_options(self, opts)
        node = consul.Node(
            f"{name}-edge-node",
            name=EDGE_NODE,
            address=args.edge_address,
            meta=EXTERNAL,
            opts=children,
        )
        check = consul.ServiceCheckArgs(
            check_id=CHECK_ID,
            name=CHECK_NAME,
            http=args.url,
            method="GET",
            interval=INTERVAL,
            timeout=TIMEOUT,
            status="critical",
            tls_skip_verify=False,
            # Only Pulumi removes the edge, however long its check fails.
            deregister_critical_service_after=NEVER,
        )
        edge = consul.Service(
            f"{name}-edge",
            name=EDGE_NODE,
            node=node.name,
            port=args.edge_port,
            tags=TAGS,
            checks=[check],
            opts=pulumi.ResourceOptions.merge(
                children,
                # A replaced node has no services. Prober writes the status.
                pulumi.ResourceOptions(replace_with=[node], ignore_changes=["checks[*].status"]),
            ),
        )
        called = [service.name for service in args.services if service.has_clients]
        for service in called:
            consul.ConfigEntry(
                f"{name}-{service}-defaults",
                kind=DEFAULTS_KIND,
                name=service,
                config_json=canonical_json(SERVICE_DEFAULTS),
                opts=children,
            )
        ConsulEntries(
            f"{name}-in-consul",
            cluster=children.replacement_trigger,
            entries={
                **_edge_entries(args),
                **{key: config_entry(DEFAULTS_KIND, key, SERVICE_DEFAULTS) for key in called},
            },
            access=args.access,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.edge_service = edge.name
        self.register_outputs({"edge_service": self.edge_service})


def _edge_entries(args: EdgeCheckArgs) -> dict[str, Entry]:
    """Return what Consul's API returns about the edge, and the one request that registers it."""
    definition = {"HTTP": args.url, "Method": "GET", "Interval": INTERVAL, "Timeout": TIMEOUT}
    check = {"Node": EDGE_NODE, "CheckID": CHECK_ID, "Name": CHECK_NAME, "ServiceID": EDGE_NODE}
    body = {
        "Node": EDGE_NODE,
        "Address": args.edge_address,
        "NodeMeta": EXTERNAL,
        "Service": {
            "ID": EDGE_NODE,
            "Service": EDGE_NODE,
            "Address": args.edge_address,
            "Port": args.edge_port,
            "Tags": TAGS,
            # The provider's metadata.
            "Meta": {"external-source": "terraform"},
        },
        "Check": {
            **check,
            "Status": "critical",
            "Definition": {**definition, "DeregisterCriticalServiceAfter": NEVER},
        },
    }
    by_path: dict[str, dict[str, Any]] = {
        "catalog/node": {"Node": {"Address": args.edge_address, "Meta": EXTERNAL}},
        "catalog/service": {
            "Node": EDGE_NODE,
            "ServicePort": args.edge_port,
            "ServiceTags": TAGS,
        },
        "health/checks": {**check, "Definition": definition},
    }
    return {
        f"{EDGE_NODE} ({path})": Entry(
            path=f"/v1/{path}/{EDGE_NODE}",
            declared=declared,
            write_path="/v1/catalog/register",
            body=body,
        )
        for path, declared in by_path.items()
    }
