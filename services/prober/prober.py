"""Runs what the catalog asks for, and writes what changed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from services.connect import AgentError
from services.prober.catalog import NODE_CHECK, Catalog, Node
from services.prober.check import Finding, probe, reach, seconds
from services.serving.log import log

DEFAULT_INTERVAL, MINIMUM_INTERVAL = 30.0, 1.0
NODE_INTERVAL = 10.0
"""Seconds between two looks, as in consul-esm: for a check without an interval, at least, and for nodes."""
BAD_LOOKS = 2
"""Looks in a row that must be bad before a check turns critical; one good look turns it passing."""
SILENCE = 60.0
"""Seconds without Consul's answer, also at the start, after which the prober calls itself unhealthy."""
RETRY = 1.0

Key = tuple[str, str, str]


class Prober:
    """One task a check and one a probed node, started and stopped as the catalog changes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._seen: dict[Key, dict[str, Any]] = {}
        self._running: dict[Key, tuple[object, asyncio.Task[None]]] = {}
        self._heard = time.monotonic()

    def health_problem(self) -> str | None:
        silent = time.monotonic() - self._heard
        return f"Consul has not answered for {silent:.0f} s" if silent >= SILENCE else None

    async def run(self) -> None:
        """Follow the catalog for ever."""
        index = 0
        while True:
            try:
                checks, index = await self._catalog.checks(index)
                nodes = await self._catalog.nodes()
            except AgentError as error:
                log("warning", "catalog not read", error=str(error))
                index = 0
                await asyncio.sleep(RETRY)
                continue
            self._heard = time.monotonic()
            self._follow(checks, nodes)

    def _follow(self, checks: list[dict[str, Any]], nodes: list[Node]) -> None:
        self._seen = {(c["Node"], c["ServiceID"], c["CheckID"]): c for c in checks}
        wanted: dict[Key, tuple[object, Callable[[], Awaitable[None]]]] = {}
        for key, check in self._seen.items():
            definition = check.get("Definition") or {}
            if check["CheckID"] != NODE_CHECK and (definition.get("HTTP") or definition.get("TCP")):
                wanted[key] = (definition, partial(self._watch_check, key, definition))
        for node in nodes:
            if node.probed:
                wanted[(node.name, "", NODE_CHECK)] = (node, partial(self._watch_node, node))
        for key, (what, task) in list(self._running.items()):
            if key not in wanted or wanted[key][0] != what:
                task.cancel()
                del self._running[key]
                log("info", "stopped watching", node=key[0], check=key[2])
        for key, (what, watch) in wanted.items():
            if key not in self._running:
                log("info", "watching", node=key[0], check=key[2])
                self._running[key] = (what, asyncio.ensure_future(watch()))

    async def _watch_check(self, key: Key, definition: dict[str, Any]) -> None:
        interval = max(
            seconds(definition.get("Interval", "")) or DEFAULT_INTERVAL, MINIMUM_INTERVAL
        )
        reap = seconds(definition.get("DeregisterCriticalServiceAfter", ""))
        bad = 0
        critical_since: float | None = None

        async def look() -> None:
            nonlocal bad, critical_since
            finding = await probe(definition)
            bad = bad + 1 if finding.status == "critical" else 0
            if not bad:
                critical_since = None
            elif critical_since is None:
                critical_since = time.monotonic()
            check = self._seen.get(key)
            if check is None:
                return
            if finding.status != check["Status"] and (
                finding.status != "critical" or bad >= BAD_LOOKS
            ):
                await self._catalog.update(check, finding)
                log(
                    "info",
                    "status changed",
                    node=key[0],
                    check=key[2],
                    status=finding.status,
                    output=finding.output,
                )
            if (
                reap
                and key[1]
                and critical_since is not None
                and time.monotonic() - critical_since > reap
            ):
                await self._catalog.deregister(key[0], key[1])
                log(
                    "warning",
                    "service deregistered: critical for too long",
                    node=key[0],
                    service=key[1],
                )

        await _repeat(look, interval)

    async def _watch_node(self, node: Node) -> None:
        async def look() -> None:
            ports = await self._catalog.ports(node.name)
            if not ports:
                return  # nothing there to reach yet
            alive = await reach(node.address, ports)
            finding = (
                Finding("passing", "Node alive or reachable")
                if alive
                else Finding("critical", "Node not live or unreachable")
            )
            check = self._seen.get((node.name, "", NODE_CHECK))
            if check is None or check["Status"] != finding.status:
                await self._catalog.update_node(node.name, finding)
                log(
                    "info",
                    "status changed",
                    node=node.name,
                    check=NODE_CHECK,
                    status=finding.status,
                )

        await _repeat(look, NODE_INTERVAL)


async def _repeat(look: Callable[[], Awaitable[None]], interval: float) -> None:
    """Look every ``interval`` seconds for ever; what Consul refuses is tried again at the next look."""
    while True:
        began = time.monotonic()
        try:
            await look()
        except AgentError as error:
            log("warning", "status not written", error=str(error))
        await asyncio.sleep(max(0.0, interval - (time.monotonic() - began)))
