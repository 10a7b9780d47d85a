"""A command that owns the user's terminal, while this process waits to clean up after it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from deploy.errors import UsageError

SIGNAL_GRACE_S = 0.5
"""How much later than the command this process may receive a Ctrl-C."""
POLL_INTERVAL_S = 0.01

FORWARDED_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""Signals that reach only this process. A terminal sends Ctrl-C to the command itself too."""

Run = Callable[[Sequence[str], Mapping[str, str]], int]


@contextmanager
def runner() -> Iterator[Run]:
    """Yield a function that runs a command in an environment and returns its exit code.

    While the context lasts, no signal ends this process before the command.

    The function raises:
        UsageError: the command does not exist.
    """
    received: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def on_signal(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if child and number in FORWARDED_SIGNALS:
            child.send_signal(number)

    def run(words: Sequence[str], environment: Mapping[str, str]) -> int:
        nonlocal child
        program = shutil.which(words[0], path=environment.get("PATH"))
        if not program:
            raise UsageError(f"{words[0]} is not on PATH")
        if received:
            return 128 + received[0]
        child = subprocess.Popen(words, executable=program, env=environment)
        for number in received:  # Those that came while the command started.
            child.send_signal(number)
        code = child.wait()
        if code == -signal.SIGINT:
            # The Ctrl-C that ended the command comes to this process too, perhaps later.
            _wait_for_signal(received)
        return code if code >= 0 else 128 - code

    previous = {
        number: signal.signal(number, on_signal)
        for number in (signal.SIGINT, signal.SIGQUIT, *FORWARDED_SIGNALS)
    }
    try:
        yield run
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_for_signal(received: list[int]) -> None:
    deadline = time.monotonic() + SIGNAL_GRACE_S
    while not received and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)
