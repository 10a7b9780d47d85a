"""A client that asks a URL again and again while something happens, and remembers what went wrong."""

import os
import threading
import time
from types import TracebackType
from typing import Self

import requests

EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 5
OFTEN_ENOUGH = 0.8
"""The share of the requests due that must have been made, once those that failed slowly are allowed for."""


figures: list[str] = []
"""What each client came to, for the end of the run."""


class Traffic:
    """One request every 100 ms until the block ends; then it is checked that the client was at work all the while.

    What is not the whole answer is a failure: another status, no JSON, or no message of backserve's in it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._start = 0.0
        self.asked = 0
        self.failures: list[str] = []
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
        lived = self._thread.is_alive()
        self._ended.set()
        self._thread.join()
        seconds = time.monotonic() - self._start
        test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].split()[0]
        figures.append(
            f"{test}: {self.asked} requests in {seconds:.1f} s, {len(self.failures)} failed"
        )
        if error is None:
            assert lived, "the client ended before its time"
            due = (seconds - len(self.failures) * PATIENCE_SECONDS) / EVERY_SECONDS
            assert self.asked >= OFTEN_ENOUGH * due - 1, (
                f"only {self.asked} requests in {seconds:.1f} s"
            )

    def _ask(self) -> None:
        while not self._ended.wait(
            max(0.0, self._start + self.asked * EVERY_SECONDS - time.monotonic())
        ):
            self.asked += 1
            moment = f"{time.monotonic() - self._start:.1f} s"
            try:
                self.messages.add(self._message())
            except Exception as error:  # whatever it is, the client did not get its answer
                self.failures.append(f"{moment}: {type(error).__name__}: {error}")

    def _message(self) -> str:
        """What backserve said, by way of frontserve."""
        answer = requests.get(self._url, timeout=PATIENCE_SECONDS)
        if answer.status_code != 200:
            raise ValueError(f"{answer.status_code} {answer.text[:200]}")
        return str(answer.json()["backserve"]["message"])
