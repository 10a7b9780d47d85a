"""An open-loop load generator: requests start at a constant rate, whatever the responses do."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

RATE = 50
"""Requests per second, each on a new connection."""
REQUEST_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 1 << 16


@dataclass(frozen=True)
class Failure:
    """A failed request. ``started_s`` counts from the start of the load."""

    started_s: float
    reason: str


@dataclass
class LoadReport:
    """Figures of a load generator."""

    sent: int = 0
    failures: list[Failure] = field(default_factory=list)
    longest_gap_s: float = 0.0
    """The longest time without a successful response."""
    slowest_s: float = 0.0
    """The longest time that a successful response took."""


class Load:
    """Requests a URL in a thread while its ``with`` block runs.

    A request fails unless its response has status 200 and contains backserve's answer. Nothing is
    retried.
    """

    def __init__(self, url: str, rate: int = RATE, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), parts.port or 80
        self._request = (
            f"GET / HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n".encode()
        )
        self._interval_s, self._timeout_s = 1 / rate, timeout_s
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.report = LoadReport()

    def __enter__(self) -> Self:
        self._start = self._last_success = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_stopped.set()
        self._thread.join()

    def elapsed_s(self) -> float:
        """Return the time since the start of the load."""
        return time.monotonic() - self._start

    def wait_for_requests(self, count: int) -> None:
        """Wait until ``count`` requests have started.

        Raises:
            RuntimeError: the load generator failed.
        """
        while self.report.sent < count:
            if not self._thread.is_alive():
                raise RuntimeError(f"the load ended after {self.report.sent} of {count} requests")
            time.sleep(self._interval_s)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while not self._is_stopped.is_set():
                due = self._start + self.report.sent * self._interval_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self.report.sent += 1
                group.create_task(self._send())
        self._note_gap(time.monotonic())

    async def _send(self) -> None:
        started = time.monotonic()
        try:
            await asyncio.wait_for(self._get(), self._timeout_s)
        except Exception as error:  # any error is a failed request
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
            self.report.failures.append(Failure(round(started - self._start, 2), reason))
            return
        now = time.monotonic()
        self._note_gap(now)
        self._last_success = now
        self.report.slowest_s = max(self.report.slowest_s, now - started)

    def _note_gap(self, now: float) -> None:
        self.report.longest_gap_s = max(self.report.longest_gap_s, now - self._last_success)

    async def _get(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(self._request)
            response = b""
            while len(response) < MAX_RESPONSE_BYTES and (
                chunk := await reader.read(MAX_RESPONSE_BYTES)
            ):
                response += chunk
        finally:
            writer.close()
        status, _, rest = response.partition(b"\r\n")
        if b" 200 " not in status + b" " or b'"service": "backserve"' not in rest:
            raise ValueError((status + b" " + rest[-120:]).decode(errors="replace").strip())
