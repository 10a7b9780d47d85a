"""Phases, property differences and risks, from events as the engine sends them."""

import ast
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_consul
import pulumi_digitalocean
import pulumi_nomad
import pulumi_random
import pulumi_tls
import pytest
from pulumi.automation import EngineEvent, OpType
from pulumi.runtime.rpc import UNKNOWN

from deploy.progress.changes import Change
from deploy.progress.differences import MAX_VALUE_LENGTH, Difference, differences
from deploy.progress.display import PhaseDisplay
from deploy.progress.follower import EventFollower
from deploy.progress.phases import KINDS, Phase
from deploy.progress.report import show_plan
from deploy.progress.risks import risks
from deploy.progress.tracker import Tracker
from deploy.stack import IS_SECRET, SECRET_SIGNATURE
from deploy.terminal import Terminal
from tests.deploy.test_terminal import Screen

ROOT = Path(__file__).resolve().parents[2]
DROPLET = "digitalocean:index/droplet:Droplet"
ENROLMENT = "pulumi-python:dynamic/slipway:Enrolment"
JOB = "nomad:index/job:Job"
HIDDEN = {SECRET_SIGNATURE: IS_SECRET, "plaintext": "[secret]"}


def urn(type_token: str, name: str) -> str:
    return f"urn:pulumi:dev::slipway::{type_token}::{name}"


def metadata(
    op: OpType,
    type_token: str,
    name: str,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    **details: Any,
) -> dict[str, Any]:
    address = urn(type_token, name)

    def state(inputs: dict[str, Any] | None) -> dict[str, Any] | None:
        values = inputs or {}
        return {"type": type_token, "urn": address, "custom": True, "inputs": values}

    states = {"old": state(old) if old is not None else None, "new": state(new)}
    return {"op": op.value, "urn": address, "type": type_token, **states, **details}


def event(kind: str, op: OpType, type_token: str, name: str, **details: Any) -> EngineEvent:
    body = {"metadata": metadata(op, type_token, name, **details)}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 0, kind: body})


def difference(old: Any, new: Any, **details: Any) -> tuple[Difference, ...]:
    changed = event(
        "resourcePreEvent", OpType.UPDATE, DROPLET, "worker01", old=old, new=new, **details
    )
    assert changed.resource_pre_event
    return differences(changed.resource_pre_event.metadata)


def values(old: Any, new: Any, **details: Any) -> list[tuple[str, str, str]]:
    return [(found.property, found.old, found.new) for found in difference(old, new, **details)]


def test_every_named_property_is_shown_with_both_values() -> None:
    diff = {"size": {"diffKind": "update-replace"}, "tags[1]": {"diffKind": "add"}}
    found = difference(
        {"size": "small", "tags": ["a"]}, {"size": "large", "tags": ["a", "b"]}, detailedDiff=diff
    )
    assert found == (
        Difference("size", '"small"', '"large"', forces_replacement=True),
        Difference("tags[1]", "(none)", '"b"'),
    )


def test_without_a_detailed_diff_the_inputs_are_compared() -> None:
    old = {"a": 1, "b": {"x": 1, "y": 2}, "__provider": "old code"}
    new = {"a": 1, "b": {"x": 1, "y": 3}, "__provider": "new code"}
    assert values(old, new) == [("b.y", "2", "3")]


def test_json_texts_are_compared_inside() -> None:
    old, new = '{"TaskGroups": [{"Count": 2}]}', '{"TaskGroups": [{"Count": 3}]}'
    assert values({"jobspec": old}, {"jobspec": new}) == [("jobspec.TaskGroups[0].Count", "2", "3")]


def test_secrets_are_hidden_on_both_sides() -> None:
    assert values({"userData": "plain"}, {"userData": HIDDEN}) == [
        ("userData", "[secret]", "[secret]")
    ]
    assert values({"map": {"k": HIDDEN}}, {"map": {"k": "plain"}}) == [
        ("map.k", "[secret]", "[secret]")
    ]


def test_a_value_that_is_not_known_yet_is_named_so() -> None:
    assert values({"image": "1"}, {"image": UNKNOWN}) == [("image", '"1"', "(known after up)")]


def test_long_values_are_cut_around_their_first_difference() -> None:
    [(_, old, new)] = values({"a": "x" * 500 + "old"}, {"a": "x" * 500 + "new"})
    assert "old" in old and "new" in new
    assert max(len(old), len(new)) <= MAX_VALUE_LENGTH + 2


def change(action: str, kind: str, name: str) -> Change:
    phases = {"Droplet": Phase.MACHINES, "Tag": Phase.NETWORK}
    return Change(action, kind, name, phase=phases.get(kind, Phase.OTHER))


MACHINES = ["prime01", "worker01", "worker02"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([change("to update", "Droplet", "worker01")], []),
        ([change("to replace", "Droplet", "worker01")], ["replaces 1 machine: worker01"]),
        (
            [change("to replace", "Droplet", name) for name in MACHINES],
            ["replaces 3 machines: prime01, worker01, worker02"],
        ),
        (
            [change("to replace", "Roster", "primes-roster")],
            ["loses data: every prime's, so all Consul and Nomad state (jobs, tokens, keys)"],
        ),
        (
            [change("to delete", "Droplet", name) for name in MACHINES],
            [
                "deletes 3 machines: prime01, worker01, worker02",
                "loses data: every prime's, so all Consul and Nomad state (jobs, tokens, keys)",
                "outage: no worker is left, so no service runs",
            ],
        ),
        (
            [
                change("to delete", "SpacesBucket", "artifacts"),
                change("to delete", "Job", "prober"),
            ],
            ["loses data: all that SpacesBucket artifacts stores", "outage: the job prober stops"],
        ),
        (
            [change("to replace", "LoadBalancer", "edge-balancer")],
            [
                "new URL: LoadBalancer edge-balancer is replaced; "
                "the former URL answers until the new one does"
            ],
        ),
        (
            [change("to delete", "LoadBalancer", "edge-balancer")],
            ["outage: no request reaches the services without LoadBalancer edge-balancer"],
        ),
        ([change("to create", "Droplet", "worker03")], []),
    ],
)
def test_risks_of_changes(changes: list[Change], expected: list[str]) -> None:
    assert risks(changes, MACHINES) == expected


def test_a_plan_shows_the_risks_first_and_equal_changes_once() -> None:
    output = io.StringIO()
    resized = (Difference("size", '"small"', '"large"', forces_replacement=True),)
    changes = [
        replace(change("to replace", "Droplet", name), differences=resized)
        for name in reversed(MACHINES)
    ]
    show_plan([*changes, change("to create", "Tag", "x")], ["outage"], Terminal(output))
    assert output.getvalue().splitlines() == [
        "RISK: outage",
        "  create       Tag x",
        "  replace      Droplet prime01, worker01, worker02",
        '      size: "small" -> "large" (forces replacement)',
    ]


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Run:
    """An operation whose events and time a test makes."""

    def __init__(self, tracker: Tracker, clock: Clock, *, is_verbose: bool = False) -> None:
        self.clock = clock
        self._output = io.StringIO()
        terminal = Terminal(self._output, is_verbose=is_verbose)
        self.display = PhaseDisplay(tracker, terminal)
        self.is_interrupted = False
        self.follower = EventFollower(
            terminal,
            tracker,
            self.display,
            plans_only=False,
            is_interrupted=lambda: self.is_interrupted,
        )

    def start(self, op: OpType, type_token: str, name: str) -> None:
        self.follower.on_event(event("resourcePreEvent", op, type_token, name, old={}))

    def finish(self, op: OpType, type_token: str, name: str) -> None:
        self.follower.on_event(event("resOutputsEvent", op, type_token, name, old={}))

    def fail(self, op: OpType, type_token: str, name: str) -> None:
        self.follower.on_event(event("resOpFailedEvent", op, type_token, name, old={}))

    def tick(self, seconds: float) -> None:
        self.clock.now += seconds
        self.display.tick()

    def lines(self) -> list[str]:
        """Return the lines without their times, and forget them."""
        text = self._output.getvalue()
        self._output.truncate(0)
        self._output.seek(0)
        return [line[11:] for line in text.splitlines()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_phases_show_start_slow_step_and_end(clock: Clock) -> None:
    run = Run(Tracker(expected_counts={Phase.MACHINES: 2}, clock=clock), clock)
    for name in ("prime01", "worker01"):
        run.start(OpType.CREATE, DROPLET, name)
    assert run.lines() == ["machines   started, 2 resources"]
    run.tick(5)
    run.finish(OpType.CREATE, DROPLET, "prime01")
    assert run.lines() == []
    run.tick(11)
    waiting = "waiting for DigitalOcean to start the droplet"
    assert run.lines() == [f"machines   1/2 - worker01: {waiting} (16 s)"]
    run.tick(10)
    assert run.lines() == []
    run.finish(OpType.CREATE, DROPLET, "worker01")
    run.tick(0)
    assert run.lines() == ["machines   2/2 done in 26.0 s: 2 created"]
    run.tick(100)
    assert run.lines() == ["2 resources compared"]


def test_a_step_that_an_interrupt_cut_off_has_not_failed(clock: Clock) -> None:
    run = Run(Tracker(clock=clock), clock)
    run.start(OpType.UPDATE, "nomad:index/job:Job", "backserve")
    run.lines()
    run.is_interrupted = True
    run.fail(OpType.UPDATE, "nomad:index/job:Job", "backserve")
    assert run.lines() == ["interrupted  Job backserve"]


def test_a_phase_of_unknown_size_ends_when_it_is_idle(clock: Clock) -> None:
    run = Run(Tracker(clock=clock), clock)
    run.start(OpType.CREATE, ENROLMENT, "worker01")
    run.finish(OpType.CREATE, ENROLMENT, "worker01")
    run.tick(1)
    assert run.lines() == ["enrolment  started"]
    run.tick(3)
    assert run.lines() == ["enrolment  1 done in 0.0 s: 1 created"]


def test_resources_that_stay_the_same_count_but_start_no_phase(clock: Clock) -> None:
    state = {urn(DROPLET, name): DROPLET for name in MACHINES}
    run = Run(Tracker(state, clock=clock), clock)
    run.finish(OpType.SAME, DROPLET, "prime01")
    run.finish(OpType.SAME, DROPLET, "worker01")
    assert run.lines() == []
    run.start(OpType.DELETE, DROPLET, "worker02")
    run.finish(OpType.DELETE, DROPLET, "worker02")
    run.tick(1)
    assert run.lines() == [
        "machines   started, 3 resources",
        "machines   2/2 done in 0.0 s: 1 deleted",
    ]


def test_a_destroy_counts_what_is_deleted(clock: Clock) -> None:
    state = {urn(DROPLET, name): DROPLET for name in MACHINES}
    run = Run(Tracker(state, deletes=True, clock=clock), clock)
    run.start(OpType.DELETE, DROPLET, "worker02")
    run.finish(OpType.DELETE, DROPLET, "worker02")
    run.start(OpType.DELETE, DROPLET, "worker01")
    run.tick(20)
    assert run.lines()[-1] == "machines   1/3 - worker01: deleting (20 s)"


def test_loading_is_shown_before_the_first_event(clock: Clock) -> None:
    run = Run(Tracker(clock=clock), clock)
    run.tick(15)
    assert run.lines() == ["loading the program and its plugins"]


def test_verbose_shows_each_resource(clock: Clock) -> None:
    run = Run(Tracker(clock=clock), clock, is_verbose=True)
    run.start(OpType.CREATE, JOB, "backserve")
    clock.now += 2
    run.finish(OpType.CREATE, JOB, "backserve")
    assert run.lines() == [
        "services   started",
        "creating     Job backserve",
        "created      Job backserve in 2.0 s",
    ]


def test_a_failed_step_is_shown_at_once_and_counted(clock: Clock) -> None:
    run = Run(Tracker(clock=clock), clock)
    run.start(OpType.CREATE, JOB, "backserve")
    run.fail(OpType.CREATE, JOB, "backserve")
    run.tick(5)
    assert run.lines() == [
        "services   started",
        "failed       Job backserve",
        "services   0 done in 0.0 s: 1 failed",
    ]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_a_live_display(monkeypatch: pytest.MonkeyPatch, no_color: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", no_color)
    screen = Screen()
    terminal = Terminal(screen)
    tracker = Tracker()
    display = PhaseDisplay(tracker, terminal)
    follower = EventFollower(
        terminal, tracker, display, plans_only=False, is_interrupted=lambda: False
    )
    with display:
        follower.on_event(event("resourcePreEvent", OpType.CREATE, DROPLET, "worker01", old={}))
        display.tick()
        terminal.text("a line", "green")
    text = screen.getvalue()
    assert "worker01: waiting for DigitalOcean to start the droplet" in text
    assert ("\x1b[32ma line" in text) is not bool(no_color)


def program_types() -> set[str]:
    """Return the type tokens of all resources in the program's source."""
    modules = (pulumi_digitalocean, pulumi_nomad, pulumi_consul, pulumi_random, pulumi_tls)
    packages = {module.__name__.removeprefix("pulumi_"): module for module in modules}
    found: set[str] = set()
    for file in [*ROOT.glob("infra/**/*.py"), *ROOT.glob("jobs/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and "dynamic.Resource" in map(
                ast.unparse, node.bases
            ):
                keywords = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
                found.add(f"pulumi-python:dynamic/{keywords['module']}:{keywords['name']}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                package = packages.get(ast.unparse(node.func.value))
                made = getattr(package, node.func.attr, None)
                if isinstance(made, type) and issubclass(made, pulumi.CustomResource):
                    found.add(getattr(made, "pulumi_type", ""))
    return {token for token in found if not token.startswith("pulumi:providers:")}


def test_every_type_of_the_program_has_a_phase() -> None:
    types = program_types()
    assert {DROPLET, ENROLMENT, JOB} <= types
    assert types - KINDS.keys() == set()
