"""An HTTP client of backserve that tries its instances in turn."""

import itertools
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from services.frontserve.discovery import Address, DiscoveryError
from services.serving.log import log

TIMEOUT_S = httpx.Timeout(2.0, connect=0.5)
"""For each phase of one instance's reply."""
MAX_ATTEMPTS = 4
"""Instances that one request tries, so that it ends in bounded time."""
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=50.0)
"""Connections are reused, because a TLS handshake is expensive.

They expire before backserve closes an idle one, after 60 s.
"""


class NoReplyError(Exception):
    """No instance replied; the message says why."""


class BackserveClient:
    """Requests a reply from the instances that ``discover`` returns, starting with the next one.

    ``context`` accepts connections to backserve alone.
    """

    def __init__(
        self, discover: Callable[[], Awaitable[list[Address]]], context: ssl.SSLContext
    ) -> None:
        self._discover = discover
        self._requests = itertools.count()
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S, limits=LIMITS, verify=context, trust_env=False
        )

    async def request(self) -> dict[str, Any]:
        """Return the reply of the first instance that gives one.

        Raises:
            NoReplyError: no instance is known, or each one failed; the message names each failure.
        """
        try:
            instances = await self._discover()
        except DiscoveryError as error:
            raise NoReplyError(str(error)) from error
        if not instances:
            raise NoReplyError("Consul knows no healthy instance of backserve")
        first = next(self._requests) % len(instances)
        problems = []
        for address in (instances[first:] + instances[:first])[:MAX_ATTEMPTS]:
            try:
                response = await self._client.get(f"https://{address}/")
                response.raise_for_status()
                return dict(response.json())
            except (httpx.HTTPError, ValueError) as error:
                log("warning", "instance failed", instance=str(address), error=repr(error))
                problems.append(f"{address}: {str(error) or type(error).__name__}")
        raise NoReplyError("no instance of backserve replied: " + "; ".join(problems))
