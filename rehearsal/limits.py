"""How many requests a client may make: so many an hour, and bursts of so many a minute."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

HOUR = 3600
MINUTE = 60


@dataclass(frozen=True)
class Limits:
    """The real cloud's, unless told otherwise."""

    hour: int = 5000
    minute: int = 250
    key_lists_a_minute: int = 10


REAL = Limits()


def limit(text: str) -> int:
    """One that a person gives.

    Raises:
        ArgumentTypeError: it is no number, or one that would let no request pass
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests: give 1 or more")
    return int(text)


class Window:
    """Counts within a fixed stretch of time that begins with the first request in it."""

    def __init__(self, limit: int, seconds: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._seconds = seconds
        self._clock = clock
        self._start = clock()
        self._count = 0

    @property
    def reset(self) -> float:
        """When the count begins anew, in seconds since the epoch."""
        return self._start + self._seconds

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self._count)

    def take(self) -> bool:
        """Count a request; false if it was one too many."""
        if self._clock() >= self.reset:
            self._start, self._count = self._clock(), 0
        self._count += 1
        return self._count <= self.limit


class Meter:
    """Measures one client's requests against the limits."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._hour = Window(limits.hour, HOUR, clock)
        self._minute = Window(limits.minute, MINUTE, clock)
        self._key_lists = Window(limits.key_lists_a_minute, MINUTE, clock)

    def take(self, method: str, path: str) -> int | None:
        """Count a request; if it is one too many, how many seconds to wait."""
        windows = [self._hour, self._minute]
        if (method, path) == ("GET", "/v2/account/keys"):
            windows.append(self._key_lists)
        full = [window for window in windows if not window.take()]
        if not full:
            return None
        return max(1, round(max(window.reset for window in full) - self._clock()))

    @property
    def headers(self) -> dict[str, str]:
        return {
            "ratelimit-limit": str(self._hour.limit),
            "ratelimit-remaining": str(self._hour.remaining),
            "ratelimit-reset": str(int(self._hour.reset)),
        }
