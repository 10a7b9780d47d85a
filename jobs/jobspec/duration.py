"""A duration in a job specification: written like ``1m30s``, sent to Nomad as nanoseconds."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from services.duration import parse_duration


def nanoseconds(duration: timedelta) -> int:
    """Return the length of ``duration`` in nanoseconds."""
    return duration // timedelta(microseconds=1) * 1000


def _parse(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _require_positive(duration: timedelta) -> timedelta:
    if duration <= timedelta():
        raise ValueError("must be longer than 0s")
    return duration


Duration = Annotated[
    timedelta, BeforeValidator(_parse), PlainSerializer(nanoseconds, return_type=int)
]
PositiveDuration = Annotated[Duration, AfterValidator(_require_positive)]
