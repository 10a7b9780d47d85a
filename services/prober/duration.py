"""Durations as Go writes them: ``1m30s``, ``500ms``."""

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")


def seconds(text: str) -> float:
    """The seconds in ``text``; an empty text is 0.

    Raises:
        ValueError: it is no duration.
    """
    if text and _PART.sub("", text):
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
