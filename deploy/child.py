"""A command that has the user's terminal, and is outlived by us, who have something to clear up after it."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from deploy.stack import UsageError

HANDED_ON = (signal.SIGTERM, signal.SIGHUP)
"""Meant for the command when they come to us. Ctrl-C reaches it by itself: a terminal tells all that it runs."""

Run = Callable[[Sequence[str], Mapping[str, str]], int]


@contextmanager
def attended() -> Iterator[Run]:
    """What runs a command in an environment and gives its exit code. While this lasts, no request to end ends us before the command.

    Running raises:
        UsageError: there is no such command.
    """
    told: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def hear(number: int, frame: FrameType | None) -> None:
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
        return code if code >= 0 else 128 - code

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGQUIT, *HANDED_ON)}
    try:
        yield run
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
