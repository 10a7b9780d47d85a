"""Follows an operation by the engine's events: its phases, changes and failures."""

import re
from collections.abc import Callable

from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import DiagnosticEvent, StepEventMetadata

from deploy import failure
from deploy.failure import Failure, kind_of, name_of, plain
from deploy.progress.changes import ACTIONS, COUNTED, Change, change_of, is_shown, label
from deploy.progress.display import PhaseDisplay
from deploy.progress.tracker import Step, Tracker
from deploy.terminal import Terminal

_PLUGIN_FOUND = re.compile(r"using pulumi-\S+ from \$PATH at ")


class EventFollower:
    """Takes the engine's events; afterwards ``changes`` and ``failures`` hold the result."""

    def __init__(
        self,
        terminal: Terminal,
        tracker: Tracker,
        display: PhaseDisplay,
        *,
        plans_only: bool,
        is_interrupted: Callable[[], bool],
    ) -> None:
        """Show the operation on ``terminal`` and ``display``, and record it in ``tracker``.

        Args:
            plans_only: the operation is a preview: a change is recorded once, as something to do.
            is_interrupted: whether the user has interrupted the operation.
        """
        self.changes: list[Change] = []
        self.failures: list[Failure] = []
        self._terminal = terminal
        self._tracker = tracker
        self._display = display
        self._plans_only = plans_only
        self._is_interrupted = is_interrupted
        self._planned: set[tuple[str, OpType]] = set()

    def on_event(self, event: EngineEvent) -> None:
        """Take one event of the engine."""
        with self._tracker.lock:
            if event.diagnostic_event:
                self._on_diagnostic(event.diagnostic_event)
            elif event.resource_pre_event and is_shown(event.resource_pre_event.metadata):
                self._on_start(event.resource_pre_event.metadata)
            elif event.res_outputs_event and is_shown(event.res_outputs_event.metadata):
                self._on_finish(event.res_outputs_event.metadata)
            elif event.res_op_failed_event:
                step = event.res_op_failed_event.metadata
                self._tracker.fail(step.urn, step.type)
                if self._is_interrupted():
                    self._terminal.line(f"interrupted  {label(step)}", "yellow")
                else:
                    self._terminal.line(f"failed       {label(step)}", "red")

    def _on_start(self, step: StepEventMetadata) -> None:
        action = ACTIONS.get(step.op)
        if not action:
            return
        if self._plans_only:
            self._planned.add((step.urn, step.op))
            self._record(step, f"to {action.infinitive}")
        else:
            now = self._tracker.clock()
            self._display.start(Step(step.urn, step.type, name_of(step.urn), action, now))
            self._terminal.detail(f"{action.participle:<12} {label(step)}", "dim")

    def _on_finish(self, step: StepEventMetadata) -> None:
        action = ACTIONS.get(step.op)
        seconds = self._tracker.finish(step.urn, step.type, step.op)
        if not action or (step.urn, step.op) in self._planned:
            return
        # A refresh has no start of an update: the engine finds it when it has read the resource.
        duration = f" in {seconds:.1f} s" if seconds is not None else ""
        self._terminal.detail(f"{action.past:<12} {label(step)}{duration}", action.colour)
        self._record(step, action.past, round(seconds or 0.0, 1))

    def _record(self, step: StepEventMetadata, action: str, seconds: float = 0.0) -> None:
        if step.op in COUNTED:
            self.changes.append(change_of(step, action, seconds))

    def _on_diagnostic(self, event: DiagnosticEvent) -> None:
        found = failure.of_event(event)
        if found:
            if found not in self.failures:
                self.failures.append(found)
        elif pending := failure.pending_operations(plain(event.message)):
            for operation in pending:
                self._terminal.line(
                    f"{operation} by an earlier update: the next `up` deletes what it left in the "
                    "account",
                    "yellow",
                )
        elif event.severity in ("info", "warning", "info#err") and self._is_useful(event):
            at = name_of(event.urn) if event.urn and kind_of(event.urn) != "Stack" else ""
            for line in plain(event.message).splitlines():
                self._terminal.line(
                    f"{at}: {line}" if at else line,
                    "yellow" if event.severity == "warning" else None,
                )

    def _is_useful(self, event: DiagnosticEvent) -> bool:
        """Whether a message is neither a plugin's place nor how an interrupted program ends.

        ``make doctor`` shows where the plugins are.
        """
        ends_by_interrupt = self._is_interrupted() and event.severity == "info#err"
        return not ends_by_interrupt and not _PLUGIN_FOUND.match(plain(event.message))
