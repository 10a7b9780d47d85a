"""A drill and its outcome."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from infra.edge import CHECK_INTERVAL_S, CHECK_TIMEOUT_S, CHECKS_TO_CHANGE
from tests.drills.load import Failure
from tests.drills.stage import Stage, Topology
from toolchain.versions import Tool

NOTICE_S = 1.0 + CHECKS_TO_CHANGE * (CHECK_INTERVAL_S + CHECK_TIMEOUT_S)
"""Time until the balancer drops a worker that is off. The first second is for the API's request.
Then each check starts an interval after the end of the one before, and ends without a response."""
IN_FLIGHT_S = 1.0
"""A request that started this long before an event may fail because of it."""
MAX_REASONS = 3
COMPARED_CHARACTERS = 45
"""Reasons that begin alike are counted together; their ends differ in times and names."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A change or failure, tried under load.

    ``act`` causes it, and ends when the cluster has what it should have. ``repair`` runs without
    load and removes what ``act`` left broken on purpose. ``start_settings`` are settings that the
    stack has before. ``older_tool`` is a version that the release server must offer.
    ``allowed_s`` is the time after the event (``Stage.mark_event``) in which requests may fail.
    ``changes_jobs`` states that the jobs get a new version.
    """

    name: str
    topology: Topology
    summary: str
    act: Callable[[Stage], None]
    repair: Callable[[Stage], None] = lambda stage: None
    start_settings: Mapping[str, object] = field(default_factory=dict)
    older_tool: Tool | None = None
    allowed_s: float = 0.0
    changes_jobs: bool = False

    @property
    def allowance(self) -> str:
        """Return which failures are allowed, in words."""
        return f"only in the first {self.allowed_s:.0f} s" if self.allowed_s else "0"

    def excess(self, failures: list[Failure], event_s: float | None) -> list[Failure]:
        """Return the failures that are not allowed; ``event_s`` is the time of the event."""
        if not self.allowed_s or event_s is None:
            return failures
        start, end = event_s - IN_FLIGHT_S, event_s + self.allowed_s
        return [failure for failure in failures if not start <= failure.started_s <= end]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The figures of a drill. ``error`` is empty if it ran to its end."""

    drill: str
    topology: str
    summary: str
    allowed: str
    requests: int = 0
    failed: int = 0
    excess: int = 0
    """Failed requests that are not allowed."""
    first_failures: list[str] = field(default_factory=list)
    longest_gap_s: float = 0.0
    slowest_s: float = 0.0
    state_problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    not_run: str = ""
    """Why the drill did not run."""

    @property
    def is_passed(self) -> bool:
        return not (self.error or self.excess or self.state_problems or self.not_run)

    @property
    def is_failed(self) -> bool:
        return bool(self.error or self.excess or self.state_problems)

    @property
    def is_healthy(self) -> bool:
        """Whether the stack can be used for the next drill."""
        return not self.error and not self.state_problems

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.is_passed}


def first_reasons(failures: list[Failure]) -> list[str]:
    """Return number, time and reason of the failures with the first different reasons."""
    alike: dict[str, list[Failure]] = {}
    for failure in failures:
        alike.setdefault(failure.reason[:COMPARED_CHARACTERS], []).append(failure)
    return [
        f"{len(group)} from {min(f.started_s for f in group):.1f} s "
        f"to {max(f.started_s for f in group):.1f} s: {group[0].reason}"
        for group in list(alike.values())[:MAX_REASONS]
    ]
