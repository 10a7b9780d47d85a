"""Consul's catalog, as the prober reads and writes it through the agent of its node."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.connect import Agent
from services.prober.check import Finding

NODE_CHECK = "externalNodeHealth"
"""The check of the node itself; its name and outputs are consul-esm's."""
WRITTEN = (
    "Node",
    "CheckID",
    "Name",
    "Notes",
    "ServiceID",
    "ServiceName",
    "ServiceTags",
    "Type",
    "Definition",
    "ModifyIndex",
)
"""What a transaction takes of a check besides status and output; it refuses some of what a read shows."""
EXTERNAL = {"node-meta": "external-node:true"}


@dataclass(frozen=True)
class Node:
    """An external node."""

    name: str
    address: str
    probed: bool
    """Whether its reachability is to be watched."""


class Catalog:
    """The external nodes and their checks; what Consul does not do is an ``AgentError``."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def checks(self, index: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The checks of all external nodes, and the index with which to wait for other ones, some seconds at most."""
        answer = await self._agent.wait("/v1/health/state/any", index, EXTERNAL)
        return answer.body, answer.index

    async def nodes(self) -> list[Node]:
        found = (await self._agent.ask("GET", "/v1/catalog/nodes", EXTERNAL)).body
        return [
            Node(n["Node"], n["Address"], (n.get("Meta") or {}).get("external-probe") == "true")
            for n in found
        ]

    async def ports(self, node: str) -> list[int]:
        """The ports of the services on ``node``."""
        found = (await self._agent.ask("GET", f"/v1/catalog/node/{node}")).body
        return [
            service["Port"]
            for service in ((found or {}).get("Services") or {}).values()
            if service["Port"]
        ]

    async def update(self, check: Mapping[str, Any], finding: Finding) -> None:
        """Write a new status, unless the check is gone or was changed meanwhile: then the next look shows what it is now."""
        current = (
            await self._agent.ask("GET", f"/v1/health/node/{check['Node']}", {"consistent": ""})
        ).body
        for existing in current:
            if (existing["CheckID"], existing["ServiceID"]) == (
                check["CheckID"],
                check["ServiceID"],
            ):
                changed = {
                    **{name: existing[name] for name in WRITTEN},
                    "Status": finding.status,
                    "Output": finding.output,
                }
                await self._agent.ask(
                    "PUT", "/v1/txn", body=[{"Check": {"Verb": "cas", "Check": changed}}]
                )

    async def update_node(self, node: str, finding: Finding) -> None:
        """Write the check of the node itself, making it where it is missing."""
        check = {
            "CheckID": NODE_CHECK,
            "Name": "External Node Status",
            "Status": finding.status,
            "Output": finding.output,
        }
        await self._agent.ask(
            "PUT",
            "/v1/catalog/register",
            body={"Node": node, "Check": check, "SkipNodeUpdate": True},
        )

    async def deregister(self, node: str, service_id: str) -> None:
        await self._agent.ask(
            "PUT", "/v1/catalog/deregister", body={"Node": node, "ServiceID": service_id}
        )
