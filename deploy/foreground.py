"""A command that has the user's terminal, and is outlived by us, who have something to clear up after it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from deploy.stack import UsageError

GRACE_SECONDS = 0.5
"""How long a Ctrl-C may reach us later than the command."""

HANDED_ON = (signal.SIGTERM, signal.SIGHUP)
"""Meant for the command when they come to us. Ctrl-C reaches it by itself: a terminal tells all that it runs."""

Run = Callable[[Sequence[str], Mapping[str, str]], int]


@contextmanager
def runner() -> Iterator[Run]:
    """What runs a command in an environment and gives its exit code. While this lasts, no request to end ends us before the command.

    Running raises:
        UsageError: there is no such command.
    """
    told: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def on_signal(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if child and number in HANDED_ON:
            child.send_signal(number)

    def run(words: Sequence[str], environment: Mapping[str, str]) -> int:
        nonlocal child
        program = shutil.which(words[0], path=environment.get("PATH"))
        if not program:
            raise UsageError(f"{words[0]} is not on PATH")
        if told:
            return 128 + told[0]
        child = subprocess.Popen(words, executable=program, env=environment)
        for number in told:  # while it started
            child.send_signal(number)
        code = child.wait()
        if (
            code == -signal.SIGINT
        ):  # the Ctrl-C that ended it comes to us as well, and may come later than its end
            _await(told)
        return code if code >= 0 else 128 - code

    before = {
        number: signal.signal(number, on_signal)
        for number in (signal.SIGINT, signal.SIGQUIT, *HANDED_ON)
    }
    try:
        yield run
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await(told: list[int]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
