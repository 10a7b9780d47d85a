"""Runs the checks of the catalogue, and writes the statuses that change."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from services.connect import AgentError, follow
from services.prober.catalog import NODE_CHECK, Catalog, Node
from services.prober.check import CheckResult, is_reachable, run_check, seconds
from services.serving.log import log

DEFAULT_INTERVAL_S, MIN_INTERVAL_S = 30.0, 1.0
"""Of a check without an interval, and of any check; consul-esm's values."""
NODE_INTERVAL_S = 10.0
FAILURES_BEFORE_CRITICAL = 2
"""Failures in a row that make a check critical. One success makes it passing."""
CONSUL_TIMEOUT_S = 60.0
"""How long prober stays healthy without a reply of Consul, also after its start."""

CheckKey = tuple[str, str, str]
"""Node, service id and check id."""


class Prober:
    """One asyncio task for each check and each probed node, started and stopped as they change."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._checks: dict[CheckKey, dict[str, Any]] = {}
        self._tasks: dict[CheckKey, tuple[object, asyncio.Task[None]]] = {}
        """With the definition or node that each task works for."""
        self._last_reply = time.monotonic()

    def health_problem(self) -> str | None:
        """Return that Consul has not answered for too long, or None."""
        elapsed_s = time.monotonic() - self._last_reply
        if elapsed_s < CONSUL_TIMEOUT_S:
            return None
        return f"Consul has not answered for {elapsed_s:.0f} s"

    async def run(self) -> None:
        """Follow the catalogue for ever."""

        async def read(index: int) -> int:
            checks, next_index = await self._catalog.checks(index)
            nodes = await self._catalog.nodes()
            self._last_reply = time.monotonic()
            self._reconcile(checks, nodes)
            return next_index

        def on_error(error: AgentError) -> None:
            log("warning", "catalog not read", error=str(error))

        await follow(read, on_error)

    def _reconcile(self, checks: list[dict[str, Any]], nodes: list[Node]) -> None:
        """Stop the tasks that are obsolete or whose definition changed, and start missing ones."""
        self._checks = {(c["Node"], c["ServiceID"], c["CheckID"]): c for c in checks}
        wanted: dict[CheckKey, tuple[object, Callable[[], Awaitable[None]]]] = {}
        for key, check in self._checks.items():
            definition = check.get("Definition") or {}
            if check["CheckID"] != NODE_CHECK and (definition.get("HTTP") or definition.get("TCP")):
                wanted[key] = (definition, partial(self._watch_check, key, definition))
        for node in nodes:
            if node.is_probed:
                wanted[(node.name, "", NODE_CHECK)] = (node, partial(self._watch_node, node))
        for key, (subject, task) in list(self._tasks.items()):
            if key not in wanted or wanted[key][0] != subject:
                task.cancel()
                del self._tasks[key]
                log("info", "check stopped", node=key[0], check=key[2])
        for key, (subject, watch) in wanted.items():
            if key not in self._tasks:
                log("info", "check started", node=key[0], check=key[2])
                self._tasks[key] = (subject, asyncio.ensure_future(watch()))

    async def _watch_check(self, key: CheckKey, definition: dict[str, Any]) -> None:
        interval_s = seconds(definition.get("Interval", "")) or DEFAULT_INTERVAL_S
        deregister_after_s = seconds(definition.get("DeregisterCriticalServiceAfter", ""))
        node, service_id, check_id = key
        failures = 0
        critical_since: float | None = None

        async def check_once() -> None:
            nonlocal failures, critical_since
            result = await run_check(definition)
            is_critical = result.status == "critical"
            failures = failures + 1 if is_critical else 0
            if not is_critical:
                critical_since = None
            elif critical_since is None:
                critical_since = time.monotonic()
            check = self._checks.get(key)
            if check is None:
                return
            is_confirmed = not is_critical or failures >= FAILURES_BEFORE_CRITICAL
            if result.status != check["Status"] and is_confirmed:
                await self._catalog.update(check, result)
                log(
                    "info",
                    "status changed",
                    node=node,
                    check=check_id,
                    status=result.status,
                    output=result.output,
                )
            if not (deregister_after_s and service_id) or critical_since is None:
                return
            if time.monotonic() - critical_since > deregister_after_s:
                await self._catalog.deregister(node, service_id)
                event = "service deregistered: critical for too long"
                log("warning", event, node=node, service=service_id)

        await _repeat(check_once, max(interval_s, MIN_INTERVAL_S))

    async def _watch_node(self, node: Node) -> None:
        async def check_once() -> None:
            ports = await self._catalog.ports(node.name)
            if not ports:
                return
            result = (
                CheckResult("passing", "Node alive or reachable")
                if await is_reachable(node.address, ports)
                else CheckResult("critical", "Node not live or unreachable")
            )
            check = self._checks.get((node.name, "", NODE_CHECK))
            if check is None or check["Status"] != result.status:
                await self._catalog.update_node(node.name, result)
                log(
                    "info", "status changed", node=node.name, check=NODE_CHECK, status=result.status
                )

        await _repeat(check_once, NODE_INTERVAL_S)


async def _repeat(check_once: Callable[[], Awaitable[None]], interval_s: float) -> None:
    """Call ``check_once`` at every interval for ever; an ``AgentError`` is logged."""
    while True:
        start = time.monotonic()
        try:
            await check_once()
        except AgentError as error:
            log("warning", "status not written", error=str(error))
        await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - start)))
