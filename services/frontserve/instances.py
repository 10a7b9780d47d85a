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


class InstanceCache:
    """The last known instances.

    ``run`` refreshes them, whether there are requests or not. While ``find`` fails, the last known
    instances stay in use: an outage of Consul does not stop services that are running. Consul's
    agent has a cache for DNS too, which is off: after an outage it answers stale for a minute
    (docs/adr/0020-dns-without-a-cache.md).
    """

    def __init__(self, find: Callable[[], Awaitable[list[Address]]]) -> None:
        self._find = find
        self._instances: list[Address] | None = None
        self._seen_at: dict[Address, float] = {}
        self._first_attempt_ended = asyncio.Event()
        self.error: DiscoveryError | None = None
        """Why the last attempt failed; None if it succeeded."""

    @property
    def has_found(self) -> bool:
        """Whether an instance was ever found."""
        return bool(self._seen_at)

    async def get(self) -> list[Address]:
        """Return the instances. Only the first attempt is waited for.

        Raises:
            DiscoveryError: no attempt has succeeded yet.
        """
        await self._first_attempt_ended.wait()
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

    async def run(self) -> None:
        """Refresh the instances for ever."""
        while True:
            await self._refresh()
            self._first_attempt_ended.set()
            await asyncio.sleep(REFRESH_INTERVAL_S)

    async def _refresh(self) -> None:
        try:
            self._instances = await self._find()
            self._seen_at.update(dict.fromkeys(self._instances, time.monotonic()))
            self.error = None
        except DiscoveryError as error:
            if self.error is None:
                used = len(self._instances or [])
                log("warning", "discovery failed", error=str(error), used=used)
            self.error = error
        except Exception as error:  # the known instances stay in use, whatever the reply was
            log("error", "discovery failed", error=repr(error))
            self.error = DiscoveryError(repr(error))
