"""Follows an update by the engine's events: a line for each change, and what failed."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import DiagnosticEvent, StepEventMetadata

from deploy import failure
from deploy.failure import Failure, kind_of, name_of, plain
from deploy.terminal import Colour, Terminal

VERBS: dict[OpType, tuple[str, str, str, Colour]] = {
    OpType.CREATE: ("create", "creating", "created", "green"),
    OpType.UPDATE: ("update", "updating", "updated", "yellow"),
    OpType.DELETE: ("delete", "deleting", "deleted", "red"),
    OpType.CREATE_REPLACEMENT: ("replace", "replacing", "replaced", "yellow"),
    OpType.DELETE_REPLACED: ("delete old", "deleting old", "deleted old", "red"),
    OpType.READ: ("read", "reading", "read", "dim"),
    OpType.READ_REPLACEMENT: ("read", "reading", "read", "dim"),
    OpType.IMPORT: ("import", "importing", "imported", "green"),
    OpType.IMPORT_REPLACEMENT: ("import", "importing", "imported", "green"),
    OpType.DISCARD: ("forget", "forgetting", "forgot", "dim"),
    OpType.DISCARD_REPLACED: ("forget", "forgetting", "forgot", "dim"),
}
"""To do, doing, done. What is not here (same, refresh, the two halves of a replacement taken as one) is no step to tell."""

_PLUGIN_FOUND = re.compile(r"using pulumi-\S+ from \$PATH at ")
_CHANGES = frozenset(VERBS) - {OpType.READ, OpType.READ_REPLACEMENT, OpType.DELETE_REPLACED}


@dataclass(frozen=True)
class Change:
    """One resource that was changed (``created``) or would be (``to create``).

    ``properties`` are the names of what differs, never values.
    """

    action: str
    type: str
    name: str
    properties: tuple[str, ...] = ()
    seconds: float = 0.0
    """How long it took, to a tenth; 0 for what is yet to do."""


class Progress:
    """Give :meth:`on_event` to the engine; afterwards ``changes`` and ``failures`` hold what came of it."""

    def __init__(
        self, terminal: Terminal, *, planning: bool, interrupted: Callable[[], bool]
    ) -> None:
        """``planning``: nothing will be done, so that a change is told once, as something to do. ``interrupted``: by the user."""
        self.changes: list[Change] = []
        self.failures: list[Failure] = []
        self._terminal = terminal
        self._planning = planning
        self._interrupted = interrupted
        self._began: dict[tuple[str, OpType], float] = {}

    def on_event(self, event: EngineEvent) -> None:
        """Take one event of the engine."""
        if event.diagnostic_event:
            self._diagnostic(event.diagnostic_event)
        elif event.resource_pre_event and _matters(event.resource_pre_event.metadata):
            self._started(event.resource_pre_event.metadata)
        elif event.res_outputs_event and _matters(event.res_outputs_event.metadata):
            self._done(event.res_outputs_event.metadata)
        elif event.res_op_failed_event:
            step = event.res_op_failed_event.metadata
            self._terminal.line(f"failed       {_label(step)}", "red")

    def _started(self, step: StepEventMetadata) -> None:
        self._began[step.urn, step.op] = time.monotonic()
        to_do, doing, _, colour = VERBS[step.op]
        if self._planning:
            self._terminal.line(f"{to_do:<12} {_label(step)}", colour)
            self._note(step, f"to {to_do}")
        else:
            self._terminal.line(f"{doing:<12} {_label(step)}", "dim")

    def _done(self, step: StepEventMetadata) -> None:
        began = self._began.pop((step.urn, step.op), None)
        if self._planning and began is not None:
            return  # told as something to do; a refresh alone knows only now, when it has read, what is different
        _, _, done, colour = VERBS[step.op]
        seconds = round(time.monotonic() - began, 1) if began is not None else 0.0
        took = f" in {seconds:.1f} s" if began is not None else ""
        self._terminal.line(f"{done:<12} {_label(step)}{took}", colour)
        self._note(step, done, seconds)

    def _note(self, step: StepEventMetadata, action: str, seconds: float = 0.0) -> None:
        if step.op in _CHANGES:
            self.changes.append(
                Change(action, kind_of(step.urn), name_of(step.urn), _properties(step), seconds)
            )

    def _diagnostic(self, event: DiagnosticEvent) -> None:
        found = failure.of_event(event)
        if found:
            if found not in self.failures:
                self.failures.append(found)
        elif interrupted := failure.pending(plain(event.message)):
            for one in interrupted:
                self._terminal.line(
                    f"unsure: {one} by an earlier update; look for it in the account, then `refresh` forgets this",
                    "yellow",
                )
        elif event.severity in ("info", "warning", "info#err") and (
            message := self._telling(event)
        ):
            at = name_of(event.urn) if event.urn and kind_of(event.urn) != "Stack" else ""
            for line in message.splitlines():
                self._terminal.line(
                    f"{at}: {line}" if at else line,
                    "yellow" if event.severity == "warning" else None,
                )

    def _telling(self, event: DiagnosticEvent) -> str:
        """The message without what helps nobody: where plugins are (``make doctor`` tells), how an interrupted program fell."""
        message = plain(event.message)
        return (
            ""
            if _PLUGIN_FOUND.match(message)
            or (self._interrupted() and event.severity == "info#err")
            else message
        )


def _matters(step: StepEventMetadata) -> bool:
    """Whether a person wants to see it: a resource of a plugin, not a component, a provider or what stays the same."""
    state = step.new or step.old
    return (
        step.op in VERBS
        and bool(state and state.custom)
        and not step.type.startswith("pulumi:providers:")
    )


def _properties(step: StepEventMetadata) -> tuple[str, ...]:
    return tuple(sorted(step.keys or step.diffs or step.detailed_diff or ()))


def _label(step: StepEventMetadata) -> str:
    differs = _properties(step) if step.op in (OpType.UPDATE, OpType.CREATE_REPLACEMENT) else ()
    return f"{kind_of(step.urn)} {name_of(step.urn)}" + (
        f" ({', '.join(differs)})" if differs else ""
    )
