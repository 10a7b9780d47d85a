"""Consul's catalog, as the prober reads and writes it through the agent of its node."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from services.prober.probe import Finding

NODE_CHECK = "externalNodeHealth"
"""The check of the node itself; its name and outputs are consul-esm's."""
WAIT = 10
"""Seconds that Consul holds a question whose answer has not changed."""

WRITTEN = ("Node", "CheckID", "Name", "Notes", "ServiceID", "ServiceName", "ServiceTags", "Type", "Definition", "ModifyIndex")
"""What a transaction takes of a check besides status and output; it refuses some of what a read shows."""
EXTERNAL = {"node-meta": "external-node:true"}


class CatalogError(Exception):
    """Consul did not do what was asked; the message tells why."""


@dataclass(frozen=True)
class Node:
    """An external node."""

    name: str
    address: str
    probed: bool
    """Whether its reachability is to be watched."""


class Catalog:
    """The external nodes and their checks."""

    def __init__(self, address: str, token: str = "") -> None:
        headers = {"X-Consul-Token": token} if token else {}
        self._client = httpx.AsyncClient(
            base_url=address, headers=headers, timeout=WAIT + 10, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False
        )

    async def checks(self, index: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The checks of all external nodes, and the index of this answer.

        With the ``index`` of an answer it waits until there is another one, ``WAIT`` seconds at most.
        """
        response = await self._ask("GET", "/v1/health/state/any", {**EXTERNAL, "index": index, "wait": f"{WAIT}s"})
        return response.json(), int(response.headers["X-Consul-Index"])

    async def nodes(self) -> list[Node]:
        found = (await self._ask("GET", "/v1/catalog/nodes", EXTERNAL)).json()
        return [Node(n["Node"], n["Address"], (n.get("Meta") or {}).get("external-probe") == "true") for n in found]

    async def ports(self, node: str) -> list[int]:
        """The ports of the services on ``node``."""
        found = (await self._ask("GET", f"/v1/catalog/node/{node}", {})).json()
        return [service["Port"] for service in ((found or {}).get("Services") or {}).values() if service["Port"]]

    async def update(self, check: Mapping[str, Any], finding: Finding) -> None:
        """Write a new status, unless the check is gone or was changed meanwhile: then the next look shows what it is now."""
        current = (await self._ask("GET", f"/v1/health/node/{check['Node']}", {"consistent": ""})).json()
        for existing in current:
            if (existing["CheckID"], existing["ServiceID"]) == (check["CheckID"], check["ServiceID"]):
                changed = {**{name: existing[name] for name in WRITTEN}, "Status": finding.status, "Output": finding.output}
                await self._ask("PUT", "/v1/txn", {}, [{"Check": {"Verb": "cas", "Check": changed}}])

    async def update_node(self, node: str, finding: Finding) -> None:
        """Write the check of the node itself, making it where it is missing."""
        check = {"CheckID": NODE_CHECK, "Name": "External Node Status", "Status": finding.status, "Output": finding.output}
        await self._ask("PUT", "/v1/catalog/register", {}, {"Node": node, "Check": check, "SkipNodeUpdate": True})

    async def deregister(self, node: str, service_id: str) -> None:
        await self._ask("PUT", "/v1/catalog/deregister", {}, {"Node": node, "ServiceID": service_id})

    async def _ask(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> httpx.Response:
        try:
            response = await self._client.request(method, path, params=query, json=body)
            if response.is_success:
                return response
        except httpx.HTTPError as error:
            raise CatalogError(f"{method} {path}: {str(error) or type(error).__name__}") from error
        raise CatalogError(f"{method} {path}: {response.status_code} {response.text.strip()}")
