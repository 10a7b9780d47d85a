"""Waiting for a condition of this machine that sends no notification."""

import asyncio
import time
from collections.abc import Callable

POLL_INTERVAL_S = 0.02


def wait_until(
    condition: Callable[[], object], timeout_s: float, interval_s: float = POLL_INTERVAL_S
) -> bool:
    """Block until ``condition`` holds; return whether it did within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)
    return True


async def wait_until_async(
    condition: Callable[[], object], timeout_s: float, interval_s: float = POLL_INTERVAL_S
) -> bool:
    """Like ``wait_until``, without blocking the event loop."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(interval_s)
    return True
