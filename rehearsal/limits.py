"""Rate limits of the API: requests per hour, and bursts per minute."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

HOUR_S = 3600
MINUTE_S = 60


@dataclass(frozen=True)
class RateLimits:
    """Requests that one client may make; the defaults are DigitalOcean's."""

    per_hour: int = 5000
    per_minute: int = 250
    key_lists_per_minute: int = 10
    """Of ``GET /v2/account/keys``, which has a limit of its own."""


DIGITALOCEAN_LIMITS = RateLimits()


def parse_request_limit(text: str) -> int:
    """Convert a command-line argument to a number of requests.

    Raises:
        ArgumentTypeError: the text is not a positive integer.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests: give 1 or more")
    return int(text)


class FixedWindow:
    """A counter of requests that restarts ``length_s`` seconds after its first request."""

    def __init__(self, limit: int, length_s: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._length_s = length_s
        self._clock = clock
        self._start = clock()
        self._count = 0

    @property
    def reset(self) -> float:
        """The end of the window, in seconds since the epoch."""
        return self._start + self._length_s

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self._count)

    def count_request(self) -> bool:
        """Count one request; return whether it is within the limit."""
        if self._clock() >= self.reset:
            self._start, self._count = self._clock(), 0
        self._count += 1
        return self._count <= self.limit


class RateLimiter:
    """Counts the requests of one client against the limits."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._hour = FixedWindow(limits.per_hour, HOUR_S, clock)
        self._minute = FixedWindow(limits.per_minute, MINUTE_S, clock)
        self._key_lists = FixedWindow(limits.key_lists_per_minute, MINUTE_S, clock)

    def count_request(self, method: str, path: str) -> int | None:
        """Count a request; return the seconds to wait if it exceeds a limit, else None."""
        windows = [self._hour, self._minute]
        if (method, path) == ("GET", "/v2/account/keys"):
            windows.append(self._key_lists)
        exceeded = [window for window in windows if not window.count_request()]
        if not exceeded:
            return None
        return max(1, round(max(window.reset for window in exceeded) - self._clock()))

    @property
    def headers(self) -> dict[str, str]:
        """The ``ratelimit-*`` response headers."""
        return {
            "ratelimit-limit": str(self._hour.limit),
            "ratelimit-remaining": str(self._hour.remaining),
            "ratelimit-reset": str(int(self._hour.reset)),
        }
