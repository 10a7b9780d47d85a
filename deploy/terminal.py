"""Output for people: lines with the time that has passed, and tables.

Results for programs go to standard output instead.
"""

import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TextIO, cast

from rich.console import Console
from rich.text import Text

Colour = Literal["red", "green", "yellow", "dim"]
_SECRET_VARIABLES = (
    "DIGITALOCEAN_TOKEN",
    "SPACES_SECRET_ACCESS_KEY",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
    "CONSUL_HTTP_TOKEN",
    "NOMAD_TOKEN",
)
_MIN_SECRET_LENGTH = 8


class _HangupTolerantStream:
    """A stream that drops what it cannot write because its terminal was closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._tolerant():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._tolerant():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @staticmethod
    @contextmanager
    def _tolerant() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.EIO:
                raise


class Terminal:
    """Writes to ``stream``.

    Colours need a terminal, and ``NO_COLOR`` unset. Secrets of the environment are hidden.
    """

    def __init__(self, stream: TextIO | None = None, *, is_verbose: bool = False) -> None:
        self._stream = cast("TextIO", _HangupTolerantStream(stream or sys.stderr))
        is_terminal = self._stream.isatty()
        self._has_colours = is_terminal and not os.environ.get("NO_COLOR")
        self.is_verbose = is_verbose
        self._started = time.monotonic()
        self._secrets = [
            value
            for name in _SECRET_VARIABLES
            if len(value := os.environ.get(name, "")) >= _MIN_SECRET_LENGTH
        ]
        self.console = Console(
            file=self._stream,
            force_terminal=is_terminal,
            color_system="standard" if self._has_colours else None,
            highlight=False,
            markup=False,
        )
        """For a live display."""

    @property
    def is_live(self) -> bool:
        """Whether a display can be redrawn in place."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def elapsed(self) -> float:
        """Return the seconds since the command began."""
        return time.monotonic() - self._started

    def line(self, text: str, colour: Colour | None = None) -> None:
        """Write a line of progress, with the seconds that have passed."""
        self.text(f"{self.elapsed():7.1f} s  {text}", colour)

    def detail(self, text: str, colour: Colour | None = None) -> None:
        """Write a line of progress if the user asked for details."""
        if self.is_verbose:
            self.line(text, colour)

    def text(self, text: str, colour: Colour | None = None) -> None:
        """Write text as it is, on lines of its own."""
        text = self.hide(text)
        if self.is_live:
            # The console redraws a live display beneath the text.
            self.console.print(Text(text, style=colour or ""), soft_wrap=True)
            return
        self._stream.write(text + "\n")
        self._stream.flush()

    def hide(self, text: str) -> str:
        """Return ``text`` without the values of the environment's secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write rows beneath their headings, in columns as wide as their contents."""
        cells = [[str(cell) for cell in row] for row in (headings, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
        for number, row in enumerate(cells):
            padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.text(f"  {padded}".rstrip(), "dim" if number == 0 else None)
