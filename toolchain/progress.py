"""Progress on stderr: one line per step, with its duration and how far it is.

On a terminal a running step updates its line. Elsewhere it prints a line now and then.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ANNOUNCE_AFTER_S = 0.5
"""A step that is done sooner prints its result only."""

TERMINAL_INTERVAL_S = 0.5
LOG_INTERVAL_S = 10.0
COLOURS = {"ok": "32", "fail": "31", "..": "33"}


def print_line(mark: str, text: str, detail: str = "") -> None:
    """Print ``text`` after ``mark``, which is ``ok``, ``fail`` or ``..`` (running)."""
    label = f"{mark:>4}"
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        label = f"\033[{COLOURS[mark]}m{label}\033[0m"
    print("  ".join(filter(None, (label, text, detail))), file=sys.stderr, flush=True)


@contextmanager
def step(text: str, status: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Show ``text``, the elapsed time and ``status()`` while the block runs; then the result."""
    start = time.monotonic()
    done = threading.Event()

    def report() -> None:
        if done.wait(ANNOUNCE_AFTER_S):
            return
        if sys.stderr.isatty():
            _update_line(text, status, start, done)
            return
        print_line("..", text)
        while not done.wait(LOG_INTERVAL_S):
            print_line("..", text, _detail(start, status))

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    mark = "fail"
    try:
        yield
        mark = "ok"
    finally:
        done.set()
        reporter.join()
        print_line(mark, text, f"{time.monotonic() - start:.1f} s")


def _update_line(text: str, status: Callable[[], str], start: float, done: threading.Event) -> None:
    while True:
        # A line that wraps could not be overwritten.
        width = shutil.get_terminal_size().columns - 1
        line = f"  ..  {text}  {_detail(start, status)}"[:width]
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        if done.wait(TERMINAL_INTERVAL_S):
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            return


def _detail(start: float, status: Callable[[], str]) -> str:
    return "  ".join(filter(None, (f"{time.monotonic() - start:.0f} s", status())))
