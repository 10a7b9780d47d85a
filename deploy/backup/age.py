"""The age of the last backup, compared with the stack's period."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.backup.bucket import BEFORE_RESTORE, BackupBucket
from deploy.orphans.spaces import Spaces
from infra.backup.access import find_access

SCHEDULE_TYPE = "pulumi-python:dynamic/slipway:BackupSchedule"
MAX_PERIODS = 2
"""A prime looks every five minutes whether a backup is due, so one period is soon over."""
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def check_age(
    resources: Iterable[Mapping[str, Any]], spaces: Spaces, period_h: int
) -> tuple[bool, str]:
    """Return whether the last backup is too old, and a sentence about it.

    Args:
        resources: of a state with its secrets in plain text.

    Raises:
        SpacesError: the backups cannot be listed.
    """
    current = list(resources)
    access = find_access(current)
    if access is None:
        return True, "the state has no bucket of backups; run `up`"
    taken = [one for one in BackupBucket(spaces, access).list() if one.taken_by != BEFORE_RESTORE]
    limit = timedelta(hours=MAX_PERIODS * period_h)
    if taken:
        is_late = taken[0].age_s > limit.total_seconds()
        detail = f"the last one is {format_age(taken[0].age_s)} old, of {len(taken)}"
    else:
        since = _scheduled_since(current)
        is_late = since is None or datetime.now(UTC) - since > limit
        detail = "there is none"
    if is_late:
        detail += f"; the period is {period_h} h: read `journalctl -u take-backup` on the primes"
    return is_late, detail


def _scheduled_since(resources: Iterable[Mapping[str, Any]]) -> datetime | None:
    """Return when the schedule was created, which is when a new stack can first have a backup."""
    for resource in resources:
        if resource["type"] == SCHEDULE_TYPE and "created" in resource:
            return datetime.fromisoformat(resource["created"])
    return None


def format_age(age_s: float) -> str:
    """Return an age in its largest unit: ``3 h``."""
    size, unit = next((item for item in UNITS if age_s >= item[0]), UNITS[-1])
    return f"{age_s / size:.0f} {unit}"
