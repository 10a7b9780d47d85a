"""backserve, as frontserve sees it: several instances, any of which may be gone by now."""

import itertools
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from services.frontserve.discovery import DiscoveryError, Instance
from services.serving.log import log

TIMEOUT = httpx.Timeout(2.0, connect=0.5)
"""Seconds for one instance's answer, and for its connection."""
ATTEMPTS = 4
"""How many instances one request tries at most, so that it ends in bounded time."""
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=50.0)
"""A connection costs a handshake, so it is kept, though not for the 60 s after which backserve ends one that is idle."""


class NoAnswerError(Exception):
    """No instance answered; the message tells why."""


class Backserve:
    """Asks the instances in turn; an instance that fails is passed over for the next. ``context`` connects to backserve alone."""

    def __init__(
        self, find: Callable[[], Awaitable[list[Instance]]], context: ssl.SSLContext
    ) -> None:
        self._find = find
        self._turn = itertools.count()
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT, limits=LIMITS, verify=context, trust_env=False
        )

    async def ask(self) -> dict[str, Any]:
        """The reply of the first instance that gives one.

        Raises:
            NoAnswerError: with what went wrong at each.
        """
        try:
            found = await self._find()
        except DiscoveryError as error:
            raise NoAnswerError(str(error)) from error
        if not found:
            raise NoAnswerError("Consul knows no healthy instance of backserve")
        first = next(self._turn) % len(found)
        problems = []
        for instance in (found[first:] + found[:first])[:ATTEMPTS]:
            try:
                response = await self._client.get(f"https://{instance.address}:{instance.port}/")
                response.raise_for_status()
                reply = response.json()
            except (httpx.HTTPError, ValueError) as error:
                problem = (
                    f"{instance.address}:{instance.port}: {str(error) or type(error).__name__}"
                )
                log(
                    "warning",
                    "instance failed",
                    instance=f"{instance.address}:{instance.port}",
                    error=repr(error),
                )
                problems.append(problem)
            else:
                return dict(reply)
        raise NoAnswerError("no instance of backserve answered: " + "; ".join(problems))
