"""Reads and writes the external nodes and their checks in Consul's catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.connect import Agent
from services.prober.check import CheckResult

NODE_CHECK = "externalNodeHealth"
"""The check of a node itself. Its id, name and outputs are consul-esm's."""
CHECK_FIELDS = (
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
"""The fields that a transaction accepts, besides status and output. A read returns more."""
IS_EXTERNAL = {"node-meta": "external-node:true"}
"""The query that selects external nodes."""


@dataclass(frozen=True)
class Node:
    """An external node."""

    name: str
    address: str
    is_probed: bool
    """Whether prober writes the check of the node itself."""


class Catalog:
    """The catalogue behind ``agent``. Every method raises ``AgentError`` if the agent fails."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def checks(self, index: int) -> tuple[list[dict[str, Any]], int]:
        """Return the checks of all external nodes once they differ from those with ``index``.

        The second value is the index for the next call.
        """
        reply = await self._agent.blocking_query("/v1/health/state/any", index, IS_EXTERNAL)
        return reply.body, reply.index

    async def nodes(self) -> list[Node]:
        nodes = (await self._agent.request("GET", "/v1/catalog/nodes", IS_EXTERNAL)).body
        return [
            Node(
                node["Node"],
                node["Address"],
                (node.get("Meta") or {}).get("external-probe") == "true",
            )
            for node in nodes
        ]

    async def ports(self, node: str) -> list[int]:
        """Return the ports of the services on ``node``."""
        body = (await self._agent.request("GET", f"/v1/catalog/node/{node}")).body
        services = ((body or {}).get("Services") or {}).values()
        return [service["Port"] for service in services if service["Port"]]

    async def update(self, check: Mapping[str, Any], result: CheckResult) -> None:
        """Write the result of ``check``, unless the check has changed or is gone."""
        reply = await self._agent.request(
            "GET", f"/v1/health/node/{check['Node']}", {"consistent": ""}
        )
        for current in reply.body:
            if (current["CheckID"], current["ServiceID"]) == (check["CheckID"], check["ServiceID"]):
                updated = {
                    **{name: current[name] for name in CHECK_FIELDS},
                    "Status": result.status,
                    "Output": result.output,
                }
                await self._agent.request(
                    "PUT", "/v1/txn", body=[{"Check": {"Verb": "cas", "Check": updated}}]
                )

    async def update_node(self, node: str, result: CheckResult) -> None:
        """Write the check of the node itself, and create it if it is missing."""
        check = {
            "CheckID": NODE_CHECK,
            "Name": "External Node Status",
            "Status": result.status,
            "Output": result.output,
        }
        await self._agent.request(
            "PUT",
            "/v1/catalog/register",
            body={"Node": node, "Check": check, "SkipNodeUpdate": True},
        )

    async def deregister(self, node: str, service_id: str) -> None:
        await self._agent.request(
            "PUT", "/v1/catalog/deregister", body={"Node": node, "ServiceID": service_id}
        )
