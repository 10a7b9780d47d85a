"""Progress of each phase: how many resources are done, which steps run, and how long they take."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pulumi.automation import OpType

from deploy.progress.changes import ACTIONS, COMPLETIONS, COUNTED, DELETIONS, Action
from deploy.progress.phases import Phase, kind_of_type

IDLE_END_S = 3.0
"""A phase of unknown size has ended when no step has run for this long."""


@dataclass(frozen=True)
class Step:
    """A step that runs."""

    urn: str
    type: str
    name: str
    action: Action
    started: float

    @property
    def waits_for(self) -> str:
        """What the step waits for, or what it does."""
        reason = "" if self.action.is_deletion else kind_of_type(self.type).waits_for
        return reason or self.action.participle


@dataclass
class PhaseProgress:
    """One phase. ``started`` is None until a step changes something."""

    phase: Phase
    expected: set[str] = field(default_factory=set)
    """URNs that the state has before the operation."""
    expected_count: int = 0
    """How many a new stack will have; 0 if unknown."""
    done: set[str] = field(default_factory=set)
    running: dict[str, Step] = field(default_factory=dict)
    changes: Counter[str] = field(default_factory=Counter)
    started: float | None = None
    last_activity: float = 0.0
    reported: int = 0
    """How many changes the last end of the phase reported."""

    @property
    def total(self) -> int | None:
        """The number of resources, or None if it is unknown."""
        if self.expected:
            return len(self.expected | self.done | set(self.running))
        return max(self.expected_count, len(self.done)) if self.expected_count else None

    def count(self) -> str:
        """``3/5``, or ``3`` if the total is unknown."""
        return f"{len(self.done)}/{self.total}" if self.total else str(len(self.done))

    def slowest_step(self) -> Step | None:
        return min(self.running.values(), key=lambda step: step.started, default=None)

    def summary(self) -> str:
        """How many resources were changed: ``5 created``."""
        return ", ".join(f"{number} {action}" for action, number in self.changes.items())

    def has_ended(self, now: float) -> bool:
        if self.running or self.started is None:
            return False
        if self.total is None:
            return now - self.last_activity >= IDLE_END_S
        return len(self.done) >= self.total


class Tracker:
    """The phases of one operation. Threads may share it."""

    def __init__(
        self,
        resources: Mapping[str, str] | None = None,
        expected_counts: Mapping[Phase, int] | None = None,
        *,
        deletes: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Expect the resources of a state, or those of a new stack.

        Args:
            resources: URN -> type token of what the state has before the operation.
            expected_counts: how many resources of a phase a new stack will have.
            deletes: the operation is done with a resource when it is deleted.
        """
        self.clock = clock
        self.lock = threading.RLock()
        self.checked = 0
        """How many resources the engine is done with."""
        self._deletes = deletes
        self._phases = {phase: PhaseProgress(phase) for phase in Phase}
        for urn, type_token in (resources or {}).items():
            self.of_type(type_token).expected.add(urn)
        if not resources:
            for phase, count in (expected_counts or {}).items():
                self._phases[phase].expected_count = count

    def of_type(self, type_token: str) -> PhaseProgress:
        """Return the phase of a resource type."""
        return self._phases[kind_of_type(type_token).phase]

    def started(self) -> Iterable[PhaseProgress]:
        """Return the phases in which something changes, in their order."""
        return [phase for phase in self._phases.values() if phase.started is not None]

    def start(self, step: Step) -> bool:
        """Record a step that changes something; return whether its phase starts with it."""
        phase = self.of_type(step.type)
        is_first = phase.started is None
        if phase.started is None or (phase.reported and not phase.running):
            phase.started = step.started
        phase.last_activity = step.started
        phase.running[step.urn] = step
        return is_first

    def finish(self, urn: str, type_token: str, op: OpType) -> float | None:
        """Record that a step of a resource succeeded; return its seconds if it had started."""
        phase = self.of_type(type_token)
        self.checked += 1
        step = phase.running.pop(urn, None)
        if op in COUNTED:
            phase.changes[ACTIONS[op].past] += 1
        if op in (DELETIONS if self._deletes else COMPLETIONS):
            phase.done.add(urn)
        elif op in DELETIONS:
            phase.expected.discard(urn)
        if not step:
            return None
        phase.last_activity = self.clock()
        return phase.last_activity - step.started

    def fail(self, urn: str, type_token: str) -> None:
        """Record that a step of a resource failed."""
        phase = self.of_type(type_token)
        phase.running.pop(urn, None)
        phase.changes["failed"] += 1
        phase.last_activity = self.clock()
