"""Minimum durations of changes: from a file, or just long enough for a client to see them pending.

A change that needs longer by itself, such as the boot of a real machine, takes as long as it needs.
"""

import asyncio
import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

REAL_TIMES_FILE = Path(__file__).parent / "catalog" / "real-times.toml"
"""The file that ``--times real`` reads."""

DEFAULT_MINIMUM_S = 0.2
"""Ten times the API's longest response time under load, and below any client's poll interval."""

MAX_DURATION_S = 86_400
TIMESTAMP_RESOLUTION_S = 1.0
"""The API's timestamps have whole seconds: one of 12:00:00 may mean a moment before 12:00:01."""

Seconds = Annotated[float, Field(ge=0, le=MAX_DURATION_S, allow_inf_nan=False)]


class TimesError(Exception):
    """A times file cannot be used; the message has the file, the reason and the remedy."""


class TimesTable(BaseModel):
    """Durations for one kind of resource; each key is the API's name of a change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DropletTimes(TimesTable):
    create: Seconds | None = None
    destroy: Seconds = 0
    """The API hides a droplet that is being destroyed; only its VPC cannot be deleted meanwhile."""
    power_on: Seconds | None = None
    power_off: Seconds | None = None
    power_cycle: Seconds | None = None
    shutdown: Seconds | None = None
    reboot: Seconds | None = None
    snapshot: Seconds | None = None
    rebuild: Seconds | None = None
    restore: Seconds | None = None
    resize: Seconds | None = None
    rename: Seconds | None = None
    password_reset: Seconds | None = None
    enable_backups: Seconds | None = None
    disable_backups: Seconds | None = None
    change_backup_policy: Seconds | None = None
    enable_ipv6: Seconds | None = None
    enable_private_networking: Seconds | None = None


class ImageTimes(TimesTable):
    transfer: Seconds | None = None
    image_destroy: Seconds = 0


class ReservedIpTimes(TimesTable):
    reserve_ip: Seconds | None = None
    assign_ip: Seconds | None = None
    unassign_ip: Seconds | None = None


class BalancerTimes(TimesTable):
    create: Seconds | None = None
    """From ``new`` to ``active``."""


class CertificateTimes(TimesTable):
    create: Seconds | None = None
    """From ``pending`` to ``verified``."""


class Times(TimesTable):
    """The minimum duration of each change, in seconds."""

    least: Seconds = DEFAULT_MINIMUM_S
    """The minimum of changes that have no value of their own."""
    droplet: DropletTimes = DropletTimes()
    image: ImageTimes = ImageTimes()
    reserved_ip: ReservedIpTimes = ReservedIpTimes()
    load_balancer: BalancerTimes = BalancerTimes()
    certificate: CertificateTimes = CertificateTimes()

    def is_setting(self, resource: str, change: str) -> bool:
        """Return whether a times file may have a value for this change."""
        table = getattr(self, resource, None)
        return isinstance(table, TimesTable) and change in type(table).model_fields

    def minimum_seconds(self, resource: str, change: str) -> float:
        """Return the minimum duration of a change."""
        has_value = self.is_setting(resource, change)
        seconds = getattr(getattr(self, resource), change) if has_value else None
        return self.least if seconds is None else float(seconds)

    def remaining_seconds(self, resource: str, change: str, since: str) -> float:
        """Return the rest of the minimum duration of a change that began at ``since``.

        ``since`` is a timestamp of the API. The result is rounded up to its resolution.
        """
        age = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
        age -= TIMESTAMP_RESOLUTION_S
        return max(0.0, self.minimum_seconds(resource, change) - max(0.0, age))

    @asynccontextmanager
    async def enforce_minimum(self, resource: str, change: str, since: str) -> AsyncIterator[None]:
        """Delay the end of the block, or its exception, until the minimum duration has passed."""
        end = time.monotonic() + self.remaining_seconds(resource, change, since)
        try:
            yield
        except Exception:
            await _sleep_until(end)
            raise
        await _sleep_until(end)


async def _sleep_until(end: float) -> None:
    await asyncio.sleep(max(0.0, end - time.monotonic()))


def load_times(name: str) -> Times:
    """Return the times in the file ``name``, DigitalOcean's (``real``), or the shortest (``fast``).

    Raises:
        TimesError: the file cannot be read, or has invalid values; the message lists all of them.
    """
    if name == "fast":
        return Times()
    file = REAL_TIMES_FILE if name == "real" else Path(name)
    try:
        return Times.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise TimesError(
            f"{file} cannot be read: {error.strerror}; "
            f"give --times real, or a file in the format of {REAL_TIMES_FILE}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TimesError(
            f"{file} is not TOML: {error}; see {REAL_TIMES_FILE} for an example"
        ) from None
    except ValidationError as error:
        problems = (f"{file}: {_format_problem(problem)}" for problem in error.errors())
        raise TimesError("\n".join(problems)) from None


def _format_problem(problem: Any) -> str:
    """Return the key, the value and the remedy of one validation error of pydantic."""
    *tables, key = (str(part) for part in problem["loc"])
    name, value = ".".join([*tables, key]), problem["input"]
    if problem["type"] == "extra_forbidden":
        table = getattr(Times(), tables[0]) if tables else Times()
        keys = ", ".join(type(table).model_fields)
        return f"{name} = {value!r} is no setting; use one of {keys}"
    if problem["type"] == "model_type":
        return (
            f"{name} = {value!r} is no table; "
            f"write [{name}] and one line per change below it, such as create = 30"
        )
    return (
        f"{name} = {value!r} is no duration; "
        f"give seconds from 0 to {MAX_DURATION_S}, such as 30 or 0.5"
    )
