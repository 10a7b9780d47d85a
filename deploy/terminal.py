"""What people see: lines with the time that has passed, and tables. Results for machines go elsewhere."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Literal, TextIO

Colour = Literal["red", "green", "yellow", "dim"]
_CODES: dict[Colour, str] = {"red": "31", "green": "32", "yellow": "33", "dim": "2"}
_SECRET_VARIABLES = (
    "DIGITALOCEAN_TOKEN",
    "SPACES_SECRET_ACCESS_KEY",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
    "CONSUL_HTTP_TOKEN",
    "NOMAD_TOKEN",
)


class Terminal:
    """Writes to ``stream``; colours only where it is a terminal and ``NO_COLOR`` is unset; never a secret of the environment."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._colours = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._began = time.monotonic()
        self._secrets = [
            value for name in _SECRET_VARIABLES if len(value := os.environ.get(name, "")) >= 8
        ]

    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    def line(self, text: str, colour: Colour | None = None) -> None:
        """One step of progress, with the seconds that have passed."""
        self.text(f"{self.elapsed():7.1f} s  {text}", colour)

    def text(self, text: str, colour: Colour | None = None) -> None:
        """Text as it is, on lines of its own."""
        text = self.hide(text)
        if colour and self._colours:
            text = f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
        self._stream.write(text + "\n")
        self._stream.flush()

    def hide(self, text: str) -> str:
        """``text`` without the values of the environment's secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows beneath their headings, in columns as wide as they need."""
        cells = [[str(cell) for cell in row] for row in (headings, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
        for number, row in enumerate(cells):
            padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.text(f"  {padded}".rstrip(), "dim" if number == 0 else None)
