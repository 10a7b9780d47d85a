"""Run drills one after another; those of one topology share a stack as long as it is healthy."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import requests

from infra.cluster_api.client import AgentError
from tests.drills import report
from tests.drills.drill import Drill, Outcome, first_reasons
from tests.drills.stage import DrillError, Stage
from toolchain import tools
from toolchain.errors import ToolError

T = TypeVar("T")

FAILED_STEP = (
    DrillError,
    AgentError,
    AssertionError,
    requests.RequestException,
    OSError,
    subprocess.SubprocessError,
    ValueError,
    RuntimeError,
    KeyError,
)
"""What a broken stack raises; a drill reports it and the next one gets a new stack."""


class Runner:
    """Keeps the stack of the current topology."""

    def __init__(self, request_count: int, outage_s: float) -> None:
        """Args:
        request_count: requests that each drill sends at least.
        outage_s: how long the drill of a long outage keeps the only prime off.
        """
        self._request_count, self._outage_s = request_count, outage_s
        self._stage: Stage | None = None
        self.has_leaked = False
        """Whether a cloud could not be removed, or left something behind."""

    def run(self, drills: Sequence[Drill]) -> Iterator[Outcome]:
        """Run the drills and yield each outcome; remove every cloud in the end."""
        unavailable = _build_older_tools(drills)
        try:
            for number, drill in enumerate(drills):
                if reason := unavailable.get(drill.name):
                    outcome = report.not_run(drill, reason)
                else:
                    rest = [d for d in drills[number:] if d.name not in unavailable]
                    outcome = self._run_on_stage(drill, rest)
                yield outcome
        finally:
            self._stop()

    def _run_on_stage(self, drill: Drill, rest: Sequence[Drill]) -> Outcome:
        try:
            stage = self._prepare(drill, rest)
            outcome = run_drill(stage, drill, self._request_count)
        except FAILED_STEP as error:
            self._stop()
            return report.failed(drill, f"not started: {_text(error)}")
        if not outcome.is_healthy:
            self._stop()
        return outcome

    def _prepare(self, drill: Drill, rest: Sequence[Drill]) -> Stage:
        """Return a stack on which the drill can run; start one if there is none.

        The first stack of a topology also has the settings that later drills start from.
        """
        stage = self._stage
        if stage and stage.topology == drill.topology and stage.has(drill.start_settings):
            return stage
        self._stop()
        settings: dict[str, object] = {}
        for other in reversed(rest):
            if other.topology == drill.topology:
                settings.update(other.start_settings)
        say(f"starting a stack of {drill.topology}")
        self._stage = stage = Stage(drill.topology, self._outage_s)
        stage.start(settings)
        return stage

    def _stop(self) -> None:
        stage, self._stage = self._stage, None
        if stage and (error := _attempt(stage.stop)):
            self.has_leaked = True
            say(f"the cloud of {stage.topology} was not removed: {error}")


def run_drill(stage: Stage, drill: Drill, request_count: int) -> Outcome:
    """Run a drill and return its figures."""
    say(f"{drill.name}: {drill.summary}")
    before = stage.read_state()
    error, seconds = "", 0.0
    with stage.load() as load:
        start = time.monotonic()
        error = _attempt(lambda: drill.act(stage))
        seconds = time.monotonic() - start
        load.wait_for_requests(request_count)
    if not error:
        error = _attempt(lambda: drill.repair(stage))
    problems: list[str] = []
    if not error:
        check = _attempt(
            lambda: problems.extend(stage.problems(before, changes_jobs=drill.changes_jobs))
        )
        problems += [check] if check else []
    failures = load.report.failures
    excess = drill.excess(failures, stage.event_s)
    return Outcome(
        drill=drill.name,
        topology=str(drill.topology),
        summary=drill.summary,
        allowed=drill.allowance,
        requests=load.report.sent,
        failed=len(failures),
        excess=len(excess),
        first_failures=first_reasons(excess or failures),
        longest_gap_s=round(load.report.longest_gap_s, 2),
        slowest_s=round(load.report.slowest_s, 2),
        state_problems=problems,
        seconds=round(seconds, 1),
        error=error,
    )


def _attempt(step: Callable[[], object]) -> str:
    """Run a step of a drill; return why it failed, or an empty text."""
    try:
        step()
    except FAILED_STEP as error:
        return _text(error)
    return ""


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip()


def _build_older_tools(drills: Sequence[Drill]) -> dict[str, str]:
    """Build the older versions that drills start from.

    Returns:
        The drills that cannot run, by name, and why.
    """
    unavailable = {}
    for drill in drills:
        if drill.older_tool:
            try:
                tools.install(drill.older_tool)
            except ToolError as error:
                unavailable[drill.name] = " ".join(str(error).split())[:300]
    return unavailable


def say(text: str) -> None:
    """Print a line about the progress."""
    print(text, file=sys.stderr, flush=True)
