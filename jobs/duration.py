"""Durations of a job specification: written as in Nomad (``1m30s``), sent as nanoseconds."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"(\d+)(ms|h|m|s)")


def parse(text: str) -> timedelta:
    """The duration that ``text`` names.

    Raises:
        ValueError: it names none.
    """
    if not text or _PART.sub("", text):
        raise ValueError(f"{text!r} is no duration: write it as 1m30s")
    return sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())


def nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000


def _read(value: Any) -> Any:
    return parse(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta, BeforeValidator(_read), PlainSerializer(nanoseconds, return_type=int)
]
