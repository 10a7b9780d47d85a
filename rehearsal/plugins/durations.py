"""Durations in Go's format."""

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def format_duration(nanoseconds: int) -> str:
    """Format a duration as Go does: 5m0s, 1h0m0s, 1.5s, 250ms."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000:
            return f"{nanoseconds / size:g}{unit}"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1_000_000_000:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def parse_duration(text: str) -> int:
    """Parse a duration such as 90s, 1h30m or 0.

    Raises:
        ValueError: ``text`` is not a duration, or it is negative.
    """
    if text == "0":
        return 0
    if not text or _PART.sub("", text):
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(round(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))


def is_same_duration(old: str, new: str) -> bool:
    """Whether both are valid durations of equal length."""
    try:
        return parse_duration(old) == parse_duration(new)
    except ValueError:
        return False
