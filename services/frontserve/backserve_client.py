"""An HTTP client of backserve that tries its instances in turn."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from services.frontserve.discovery import Address, DiscoveryError, NoDnsServerError
from services.frontserve.instances import InstanceCache
from services.serving.log import log

TIMEOUT_S = httpx.Timeout(2.0, connect=0.5)
"""For each phase of one instance's reply."""
MAX_ATTEMPTS = 4
"""Of one request, so that it ends in bounded time. Fewer instances are tried again."""
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=50.0)
"""Connections are reused, because a TLS handshake is expensive.

They expire before backserve closes an idle one, after 60 s.
"""
PROBE_INTERVAL_S = 1.0
NONE_KNOWN = "Consul knows no healthy instance of backserve"


class NoReplyError(Exception):
    """No instance replied; the message says why."""


class BackserveClient:
    """Requests a reply from the instances that ``find`` returns, starting with the next one.

    ``context`` accepts connections to backserve alone.
    """

    def __init__(
        self, find: Callable[[], Awaitable[list[Address]]], context: ssl.SSLContext
    ) -> None:
        self._instances = InstanceCache(find)
        self._last_request_failed = False
        """Whether the last request that has ended failed. Requests in flight do not count."""
        self._requests = itertools.count()
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S, limits=LIMITS, verify=context, trust_env=False
        )

    def readiness_problem(self) -> str | None:
        """Return why this instance cannot serve although others may, or None.

        That is so until it has found an instance of backserve. Later it is so if the agent of its
        node does not answer and the last request failed. A problem that all nodes have in common,
        such as a missing Consul leader, makes no instance unhealthy that has found backserve.
        """
        error = self._instances.error
        if not self._instances.has_found:
            return f"no instance of backserve was found yet: {error or NONE_KNOWN}"
        is_agent_away = isinstance(error, NoDnsServerError)
        return str(error) if is_agent_away and self._last_request_failed else None

    async def run(self) -> None:
        """Follow the instances for ever, and test whether an unhealthy instance can serve again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._instances.run())
            tasks.create_task(self._probe())

    async def _probe(self) -> None:
        """Send requests after one failed while the agent is away.

        The load balancer then sends none, so only these can show that backserve replies again.
        """
        while True:
            await asyncio.sleep(PROBE_INTERVAL_S)
            if self._instances.has_found and self.readiness_problem():
                with contextlib.suppress(NoReplyError):
                    await self.request()

    async def request(self) -> dict[str, Any]:
        """Return the reply of the first instance that gives one.

        Raises:
            NoReplyError: no instance is known, or each one failed; the message names each failure.
        """
        try:
            reply = await self._request()
        except NoReplyError:
            self._last_request_failed = True
            raise
        self._last_request_failed = False
        return reply

    async def _request(self) -> dict[str, Any]:
        try:
            instances = await self._instances.get()
        except DiscoveryError as error:
            raise NoReplyError(str(error)) from error
        first = next(self._requests) % len(instances) if instances else 0
        candidates = [*instances[first:], *instances[:first], *self._instances.fallbacks()]
        if not candidates:
            raise NoReplyError(NONE_KNOWN)
        problems = []
        for address in itertools.islice(itertools.cycle(candidates), MAX_ATTEMPTS):
            try:
                response = await self._client.get(f"https://{address}/")
                response.raise_for_status()
                return dict(response.json())
            except (httpx.HTTPError, ValueError) as error:
                log("warning", "instance failed", instance=str(address), error=repr(error))
                problems.append(f"{address}: {str(error) or type(error).__name__}")
        raise NoReplyError("no instance of backserve replied: " + "; ".join(problems))
