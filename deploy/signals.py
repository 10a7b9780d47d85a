"""The signals that end a command: Ctrl-C, SIGTERM, and SIGHUP when the terminal is closed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Call ``handler`` at each of ``INTERRUPTS`` while the context lasts.

    SIGHUP stays ignored if it is, as by ``nohup``.
    """
    previous = {
        number: signal.signal(number, handler)
        for number in INTERRUPTS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)
