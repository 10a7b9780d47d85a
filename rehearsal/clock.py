"""Timestamps in the format of the API."""

from datetime import UTC, datetime


def now() -> str:
    """Return the current time: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
