"""Waiting for a service until a deadline."""

import threading
import time
from collections.abc import Callable, Collection

from rehearsal.plugins.errors import PluginError

POLL_INTERVAL_S = 0.3
"""The official plugins wait 3 to 15 seconds between polls."""


class Deadline:
    """The time by which an operation must end. All waits of the emulators go through it.

    Raises (all methods that wait): PluginError when the time is over or the engine cancels.
    """

    def __init__(self, seconds: float, cancelled: threading.Event) -> None:
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._cancelled = cancelled

    def capped(self, seconds: float) -> "Deadline":
        """Return a deadline at most ``seconds`` from now and not after this one."""
        return Deadline(max(0.0, min(seconds, self._end - time.monotonic())), self._cancelled)

    def sleep(self, what: str) -> None:
        """Sleep for one poll interval while waiting for ``what``."""
        if time.monotonic() >= self._end:
            raise PluginError(f"timeout while waiting for {what} (timeout: {self._seconds:g}s)")
        if self._cancelled.wait(POLL_INTERVAL_S):
            raise PluginError(f"cancelled while waiting for {what}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        while not condition():
            self.sleep(what)

    def wait_for_state(
        self, get_state: Callable[[], str], pending: Collection[str], target: str, what: str
    ) -> None:
        """Wait until the state is ``target``.

        Raises:
            PluginError: the state is neither ``target`` nor one of ``pending``.
        """
        while (state := get_state()) != target:
            if state not in pending:
                raise PluginError(f"unexpected state '{state}' of {what}, wanted target '{target}'")
            self.sleep(f"{what} to become '{target}' (last state: '{state}')")

    def retry(
        self,
        operation: Callable[[], object],
        should_retry: Callable[[PluginError], bool],
        what: str,
    ) -> None:
        """Call ``operation`` until it succeeds or fails with an error that is not retried."""
        while True:
            try:
                operation()
                return
            except PluginError as error:
                if not should_retry(error):
                    raise
                self.sleep(f"{what}: {error}")
