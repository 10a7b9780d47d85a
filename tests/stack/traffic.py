"""A client that asks a URL again and again while something happens, and remembers what went wrong."""

import threading
import time
from types import TracebackType
from typing import Self

import requests

EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 5


class Traffic:
    """One request every 100 ms until the block ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.asked = 0
        self.failures: list[str] = []
        self.messages: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        start = time.monotonic()
        while not self._ended.wait(max(0.0, start + self.asked * EVERY_SECONDS - time.monotonic())):
            self.asked += 1
            moment = f"{time.monotonic() - start:.1f} s"
            try:
                answer = requests.get(self._url, timeout=PATIENCE_SECONDS)
            except requests.RequestException as error:
                self.failures.append(f"{moment}: {type(error).__name__}")
                continue
            if answer.status_code == 200:
                self.messages.add(answer.json()["backserve"]["message"])
            else:
                self.failures.append(f"{moment}: {answer.status_code} {answer.text[:200]}")
