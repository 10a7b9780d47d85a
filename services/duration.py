"""Go durations, as Nomad and Consul write them: ``1m30s``, ``500ms``."""

import re
from datetime import timedelta

_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` states, to the microsecond.

    Raises:
        ValueError: ``text`` is empty or is not a duration.
    """
    if not text or _PART.sub("", text):
        raise ValueError(f"{text!r} is not a duration: write it like 1m30s")
    parts = _PART.findall(text)
    return timedelta(seconds=sum(float(number) * _UNITS_S[unit] for number, unit in parts))
