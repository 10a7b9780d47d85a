"""Durations as Go writes and reads them."""

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


def go_duration(nanoseconds: int) -> str:
    """A duration as Go writes it: 5m0s, 1h0m0s, 1.5s, 250ms."""
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


def nanoseconds(text: str) -> int:
    """What Go reads from 90s, 1h30m or 0.

    Raises:
        ValueError: it is no duration, or a negative one.
    """
    if text == "0":
        return 0
    if not text or _PART.sub("", text):
        raise ValueError(f'time: invalid duration "{text}"')
    return sum(round(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))


def same_duration(old: str, new: str) -> bool:
    """Whether both are durations of one length."""
    try:
        return nanoseconds(old) == nanoseconds(new)
    except ValueError:
        return False
