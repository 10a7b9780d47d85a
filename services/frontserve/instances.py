"""The instances of a service, kept while discovery is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.frontserve.discovery import Address, DiscoveryError
from services.serving.log import log

REFRESH_INTERVAL_S = 1.0
FALLBACK_AGE_S = 60.0
"""How long an instance that DNS no longer returns is still tried, after the others.

A Consul server that has just joined answers DNS before it has all data.
"""
MAX_AGE_S = 10.0
"""A request waits for a new result if the last attempt is older, as after an idle time."""


class InstanceCache:
    """The last known instances.

    A request uses them at once, and a task refreshes them. While ``find`` fails, the last known
    instances stay in use: an outage of Consul does not stop services that are running.
    """

    def __init__(self, find: Callable[[], Awaitable[list[Address]]]) -> None:
        self._find = find
        self._instances: list[Address] | None = None
        self._seen_at: dict[Address, float] = {}
        self._attempted_at = -MAX_AGE_S
        self._refreshing: asyncio.Task[None] | None = None
        self.error: DiscoveryError | None = None
        """Why the last attempt failed; None if it succeeded."""

    async def get(self) -> list[Address]:
        """Return the instances.

        Raises:
            DiscoveryError: no attempt has succeeded yet.
        """
        age_s = time.monotonic() - self._attempted_at
        if age_s > REFRESH_INTERVAL_S and self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh())
        if self._refreshing and (self._instances is None or age_s > MAX_AGE_S):
            await asyncio.shield(self._refreshing)
        if self._instances is None:
            raise self.error or DiscoveryError("no instance is known yet")
        return self._instances

    def fallbacks(self) -> list[Address]:
        """Return the instances that DNS returned recently but does not return now."""
        oldest = time.monotonic() - FALLBACK_AGE_S
        current = self._instances or []
        return [
            address
            for address, seen_at in self._seen_at.items()
            if address not in current and seen_at > oldest
        ]

    async def _refresh(self) -> None:
        try:
            self._instances = await self._find()
            self._seen_at.update(dict.fromkeys(self._instances, time.monotonic()))
            self.error = None
        except DiscoveryError as error:
            if self._instances is not None and self.error is None:
                log("warning", "discovery failed", error=str(error), used=len(self._instances))
            self.error = error
        finally:
            self._attempted_at = time.monotonic()
            self._refreshing = None
