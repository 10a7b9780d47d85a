"""One line a step, with the time it took; on a terminal a running step shows its clock."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

QUICK_SECONDS = 1.0
"""Without a terminal, a step announces itself only when it lasts longer than this."""


def _colour(code: str, text: str) -> str:
    return (
        f"\033[{code}m{text}\033[0m"
        if sys.stderr.isatty() and "NO_COLOR" not in os.environ
        else text
    )


def line(mark: str, text: str, detail: str = "") -> None:
    """Print one line of progress to stderr."""
    colour = {"ok": "32", "fail": "31", "..": "33"}.get(mark, "0")
    print(
        f"{_colour(colour, f'{mark:>4}')}  {text}{f'  {detail}' if detail else ''}",
        file=sys.stderr,
        flush=True,
    )


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show ``text`` while the block runs, and its time at the end; a failure is marked as one."""
    start = time.monotonic()
    done = threading.Event()

    def clock() -> None:
        if done.wait(QUICK_SECONDS):
            return
        if not sys.stderr.isatty():
            line("..", text)
            return
        while not done.wait(0.5):
            print(
                f"\r  ..  {text}  {time.monotonic() - start:.0f} s ",
                end="",
                file=sys.stderr,
                flush=True,
            )
        print("\r\033[K", end="", file=sys.stderr)

    watcher = threading.Thread(target=clock, daemon=True)
    watcher.start()
    mark = "fail"
    try:
        yield
        mark = "ok"
    finally:
        done.set()
        watcher.join()
        line(mark, text, f"{time.monotonic() - start:.1f} s")
