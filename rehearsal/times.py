"""How long changes take at least: as a file says, or as short as lets a client that looks at once see them under way.

A change that needs longer by itself, such as a real machine's boot, takes as long as it needs.
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

REAL = Path(__file__).parent / "catalog" / "real-times.toml"
"""What ``--times real`` reads."""

LEAST = 0.2
"""Ten times the longest that the API takes for an answer under load, and less than any client's pause between two looks."""

LONGEST = 86_400
RESOLUTION = 1.0
"""The API tells times to the second: what it says began at 12:00:00 may have begun a moment before 12:00:01."""

Seconds = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]


class TimesError(Exception):
    """A file of times cannot be used; the message tells where, why and what to do."""


class Table(BaseModel):
    """Changes of one kind of resource, by the name that the API has for each."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DropletTimes(Table):
    create: Seconds | None = None
    destroy: Seconds = 0
    """None may look at a droplet that is being destroyed; only its VPC cannot be deleted meanwhile."""
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


class ImageTimes(Table):
    transfer: Seconds | None = None
    image_destroy: Seconds = 0


class ReservedIpTimes(Table):
    reserve_ip: Seconds | None = None
    assign_ip: Seconds | None = None
    unassign_ip: Seconds | None = None


class BalancerTimes(Table):
    create: Seconds | None = None
    """From ``new`` to ``active``."""


class CertificateTimes(Table):
    create: Seconds | None = None
    """From ``pending`` to ``verified``."""


class Times(Table):
    """Seconds that each change takes at least."""

    least: Seconds = LEAST
    """Of what is not named."""
    droplet: DropletTimes = DropletTimes()
    image: ImageTimes = ImageTimes()
    reserved_ip: ReservedIpTimes = ReservedIpTimes()
    load_balancer: BalancerTimes = BalancerTimes()
    certificate: CertificateTimes = CertificateTimes()

    def knows(self, resource: str, change: str) -> bool:
        """Whether a file can name this change."""
        table = getattr(self, resource, None)
        return isinstance(table, Table) and change in type(table).model_fields

    def seconds(self, resource: str, change: str) -> float:
        """What a change takes at least."""
        named = getattr(getattr(self, resource), change) if self.knows(resource, change) else None
        return self.least if named is None else float(named)

    def remaining(self, resource: str, change: str, since: str) -> float:
        """What is left of it for one that began at ``since``, as the API told it; never too little."""
        age = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds() - RESOLUTION
        return max(0.0, self.seconds(resource, change) - max(0.0, age))

    @asynccontextmanager
    async def at_least(self, resource: str, change: str, since: str) -> AsyncIterator[None]:
        """Around the work of a change that began at ``since``: ends, or fails, no sooner than the change may."""
        end = time.monotonic() + self.remaining(resource, change, since)
        try:
            yield
        except Exception:
            await _until(end)
            raise
        await _until(end)


async def _until(end: float) -> None:
    await asyncio.sleep(max(0.0, end - time.monotonic()))


def read(name: str) -> Times:
    """The times in a file, or the shipped ones for ``real``.

    Raises:
        TimesError: there is no such file, or something in it is no time; everything wrong is told at once.
    """
    file = REAL if name == "real" else Path(name)
    try:
        return Times.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise TimesError(
            f"{file} cannot be read: {error.strerror}; give --times real, or a file as {REAL} is one"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TimesError(f"{file} is not TOML: {error}; {REAL} is an example") from None
    except ValidationError as error:
        raise TimesError("\n".join(f"{file}: {_told(one)}" for one in error.errors())) from None


def _told(error: Any) -> str:
    """Key, value and remedy of one thing wrong."""
    *tables, key = (str(part) for part in error["loc"])
    name, value = ".".join([*tables, key]), error["input"]
    if error["type"] == "extra_forbidden":
        table = getattr(Times(), tables[0]) if tables else Times()
        return f"{name} = {value!r} is no change that takes time; known here: {', '.join(type(table).model_fields)}"
    if error["type"] == "model_type":
        return f"{name} = {value!r} is no table; write [{name}], and below it a line for each change, such as create = 30"
    return f"{name} = {value!r} is no time; give seconds, from 0 to {LONGEST}, such as 30 or 0.5"
