"""A client that sends requests to a URL at a constant rate, and records the failures."""

import os
import threading
import time
from types import TracebackType
from typing import Self

import requests

REQUESTS_PER_S = 10
REQUEST_TIMEOUT_S = 5
MIN_REQUEST_SHARE = 0.8
"""Of the requests that are due at the constant rate, apart from the time that slow answers took."""

summaries: list[str] = []
"""One line per client, for the end of the test run."""


class Traffic:
    """Sends requests at a constant rate in a ``with`` block, then checks that it never paused.

    A failure is any response but status 200 with the JSON of frontserve and backserve.
    """

    def __init__(self, url: str, requests_per_s: int = REQUESTS_PER_S) -> None:
        self._url = url
        self._interval_s = 1 / requests_per_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send_requests)
        self._start = 0.0
        self._delay_s = 0.0
        """By how much the answers exceeded the interval, in all."""
        self.request_count = 0
        self.failures: list[str] = []
        self.failure_times: list[float] = []
        """When the failed requests were sent: ``time.monotonic()``."""
        self.messages: set[str] = set()

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        was_running = self._thread.is_alive()
        self._stopped.set()
        self._thread.join()
        duration_s = time.monotonic() - self._start
        test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].split()[0].partition("@")[0]
        sent = f"{self.request_count} requests in {duration_s:.1f} s"
        summaries.append(f"{test}: {sent}, {len(self.failures)} failed")
        if error is None:
            assert was_running, "the client stopped early"
            due = (duration_s - self._delay_s) / self._interval_s
            assert self.request_count >= MIN_REQUEST_SHARE * due - 1, f"only {sent}"

    def assert_no_failures(self) -> None:
        """Raises:
        AssertionError: a request failed.
        """
        assert self.failures == [], f"{len(self.failures)} of {self.request_count}"

    def _send_requests(self) -> None:
        while not self._stopped.wait(
            max(0.0, self._start + self.request_count * self._interval_s - time.monotonic())
        ):
            self.request_count += 1
            sent_at = time.monotonic()
            try:
                self.messages.add(self._get_message())
            except Exception as error:  # any error is a failed request
                time_s = sent_at - self._start
                self.failure_times.append(sent_at)
                self.failures.append(f"{time_s:.1f} s: {type(error).__name__}: {error}")
            self._delay_s += max(0.0, time.monotonic() - sent_at - self._interval_s)

    def _get_message(self) -> str:
        """Return the message of backserve that frontserve forwards."""
        response = requests.get(self._url, timeout=REQUEST_TIMEOUT_S)
        if response.status_code != 200:
            raise ValueError(f"{response.status_code} {response.text[:200]}")
        return str(response.json()["backserve"]["message"])
