"""The display of an operation's phases: live on a terminal, plain lines elsewhere."""

import threading
from types import TracebackType

from rich.live import Live
from rich.text import Text

from deploy.progress.tracker import PhaseProgress, Step, Tracker
from deploy.terminal import Terminal

TICK_S = 0.5
SLOW_STEP_S = 15.0
"""How often plain lines tell of a step that is not done."""
LOADING = "loading the program and its plugins"


class PhaseDisplay:
    """Shows a tracker's phases while it is entered as a context.

    A phase gets a line when it starts and one when it ends. In between, a terminal shows the
    running phases; a file or pipe gets a line for the slowest step every ``SLOW_STEP_S``.
    """

    def __init__(self, tracker: Tracker, terminal: Terminal) -> None:
        self._tracker = tracker
        self._terminal = terminal
        self._last_line = tracker.clock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick_until_stopped, daemon=True)
        self._live: Live | None = None
        # The live display's thread draws it under the console's lock, so it must not wait for the
        # tracker's lock: a line is written under both, in the other order.
        self._snapshot = Text()

    def __enter__(self) -> "PhaseDisplay":
        if self._terminal.is_live:
            self._live = Live(
                get_renderable=lambda: self._snapshot,
                console=self._terminal.console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()
        if self._live:
            self._live.stop()
        with self._tracker.lock:
            for phase in self._tracker.started():
                self._report_end(phase)

    def start(self, step: Step) -> None:
        """Show the start of a step's phase."""
        if self._tracker.start(step):
            phase = self._tracker.of_type(step.type)
            total = f", {phase.total} resources" if phase.total else ""
            self._line(phase, f"started{total}")

    def tick(self) -> None:
        """Show what has ended since the last tick, and the slowest steps when it is time."""
        with self._tracker.lock:
            now = self._tracker.clock()
            self._snapshot = self._running_phases(now)
            for phase in self._tracker.started():
                if phase.has_ended(now):
                    self._report_end(phase)
            if self._live or now - self._last_line < SLOW_STEP_S:
                return
            running = [phase for phase in self._tracker.started() if phase.running]
            for phase in running:
                self._line(phase, _status(phase, now))
            if not running:
                self._terminal.line(self._idle_status())
            self._last_line = now

    def _tick_until_stopped(self) -> None:
        while not self._stopped.wait(TICK_S):
            self.tick()

    def _report_end(self, phase: PhaseProgress) -> None:
        changed = phase.changes.total()
        if phase.started is None or changed == phase.reported:
            return
        phase.reported = changed
        seconds = phase.last_activity - phase.started
        self._line(phase, f"{phase.count()} done in {seconds:.1f} s: {phase.summary()}")

    def _line(self, phase: PhaseProgress, text: str) -> None:
        self._terminal.line(f"{phase.phase:<10} {text}")
        self._last_line = self._tracker.clock()

    def _running_phases(self, now: float) -> Text:
        """Return one line for each phase whose steps run, for the live display."""
        running = [phase for phase in self._tracker.started() if phase.running]
        lines = [f"{phase.phase:<10} {_status(phase, now)}" for phase in running]
        prefix = f"{self._terminal.elapsed():7.1f} s  "
        text = "\n".join(prefix + line for line in lines or [self._idle_status()])
        return Text(text, style="dim", no_wrap=True, overflow="ellipsis")

    def _idle_status(self) -> str:
        checked = self._tracker.checked
        return f"{checked} resources compared" if checked else LOADING


def _status(phase: PhaseProgress, now: float) -> str:
    """Return ``3/5 - worker02: waiting for SSH (12 s)``."""
    step = phase.slowest_step()
    if not step:
        return phase.count()
    return f"{phase.count()} - {step.name}: {step.waits_for} ({now - step.started:.0f} s)"
