"""Waiting for a service, within the time that the program allows."""

import threading
import time
from collections.abc import Callable, Collection
from typing import TypeVar

from rehearsal.plugins.errors import PluginError

PAUSE = 0.3
"""Seconds between two looks; the official plugins wait 3 to 15."""

T = TypeVar("T")


class Clock:
    """The time that one operation has."""

    def __init__(self, seconds: float, stopped: threading.Event) -> None:
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._stopped = stopped

    def pause(self, what: str) -> None:
        """Sleep once.

        Raises:
            PluginError: the time is over, or the engine was told to stop.
        """
        if time.monotonic() >= self._end:
            raise PluginError(f"timeout while waiting for {what} (timeout: {self._seconds:g}s)")
        if self._stopped.wait(PAUSE):
            raise PluginError(f"cancelled while waiting for {what}")

    def until(
        self, look: Callable[[], tuple[str, T]], pending: Collection[str], target: str, what: str
    ) -> T:
        """Look until the state is ``target``; a state that is neither that nor ``pending`` is an error at once."""
        while True:
            state, found = look()
            if state == target:
                return found
            if state not in pending:
                raise PluginError(f"unexpected state '{state}' of {what}, wanted target '{target}'")
            self.pause(f"{what} to become '{target}' (last state: '{state}')")

    def limited(self, seconds: float) -> "Clock":
        """The same clock, ending ``seconds`` from now at the latest."""
        return Clock(max(0.0, min(seconds, self._end - time.monotonic())), self._stopped)
