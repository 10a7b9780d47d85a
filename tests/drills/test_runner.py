"""The runner with stages that have no machines, and a local server instead of a cluster."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.drills import runner
from tests.drills.drill import Drill, Outcome
from tests.drills.load import Load
from tests.drills.runner import Runner
from tests.drills.stage import DrillError, Phase, Stage, Topology
from tests.drills.state import ClusterState
from tests.drills.test_drills import STATE
from tests.drills.test_load import GOOD, RATE, UNAVAILABLE, Respond, respond_ok, serve
from toolchain import tools
from toolchain.errors import ToolError
from toolchain.versions import Tool

SMALL, LARGE = Topology(1, 3), Topology(3, 3)
REQUEST_COUNT = 10


class LocalStage(Stage):
    """A stage whose cluster is a server on loopback."""

    respond: Respond = staticmethod(respond_ok)
    started: list["LocalStage"]
    stop_error = ""

    def start(self, settings: Mapping[str, object]) -> None:
        self.settings = settings
        self.is_stopped = False
        self.state_problems: list[str] = []
        self.started.append(self)

    def stop(self) -> None:
        self.is_stopped = True
        assert not self.stop_error, self.stop_error

    def has(self, settings: Mapping[str, object]) -> bool:
        return settings.items() <= self.settings.items()

    def read_state(self) -> ClusterState:
        return STATE

    def problems(self, before: ClusterState, *, changes_jobs: bool) -> list[str]:
        return self.state_problems

    @contextmanager
    def load(self) -> Iterator[Load]:
        self.event_s = None
        with serve(self.respond) as url, Load(url, RATE) as self._load:
            yield self._load


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[LocalStage]:
    """The stages that the runner starts."""
    monkeypatch.setattr(runner, "Stage", LocalStage)
    monkeypatch.setattr(LocalStage, "started", [], raising=False)
    return LocalStage.started


def do_nothing(stage: Stage) -> None:
    pass


def fail(stage: Stage) -> None:
    raise DrillError("deploy up exited with 1")


def lose_state(stage: Stage) -> None:
    assert isinstance(stage, LocalStage)
    stage.state_problems.append("jobs: lost backserve")


def drill(
    name: str, act: Callable[[Stage], None] = do_nothing, topology: Topology = SMALL
) -> Drill:
    return Drill(name=name, topology=topology, summary=name, act=act)


def run(*drills: Drill) -> list[Outcome]:
    return list(Runner(REQUEST_COUNT, outage_s=0).run(drills))


def test_drills_of_one_topology_share_a_stage(started: list[LocalStage]) -> None:
    outcomes = run(drill("first"), drill("second"), drill("third", topology=LARGE))
    assert [stage.topology for stage in started] == [SMALL, LARGE]
    assert all(stage.is_stopped for stage in started)
    assert all(outcome.is_passed for outcome in outcomes)
    assert all(outcome.requests >= REQUEST_COUNT for outcome in outcomes)


@pytest.mark.parametrize("act", [fail, lose_state])
def test_a_failed_drill_leaves_a_new_stage_to_the_next(
    started: list[LocalStage], act: Callable[[Stage], None]
) -> None:
    first, second = run(drill("first", act), drill("second"))
    assert first.is_failed and second.is_passed
    assert len(started) == 2 and all(stage.is_stopped for stage in started)


def test_failed_requests_fail_the_drill_and_keep_the_stage(
    started: list[LocalStage], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def respond(number: int) -> bytes:
        return UNAVAILABLE if number == 3 else GOOD

    monkeypatch.setattr(LocalStage, "respond", staticmethod(respond))
    first, _ = run(drill("first"), drill("second"))
    assert first.is_failed and first.failed == first.excess == 1
    assert "503" in first.first_failures[0]
    assert len(started) == 1


def test_failures_after_the_event_are_allowed(
    started: list[LocalStage], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def respond(_number: int) -> bytes:
        return UNAVAILABLE

    def kill(stage: Stage) -> None:
        stage.mark_event()

    monkeypatch.setattr(LocalStage, "respond", staticmethod(respond))
    [outcome] = run(replace(drill("first", kill), allowed_s=10.0))
    assert outcome.is_passed and outcome.failed == outcome.requests


def test_the_first_stage_has_what_later_drills_start_from(started: list[LocalStage]) -> None:
    upgrades = [
        replace(drill(name), start_settings={f"{name}_version": "1.0.0"})
        for name in ("consul", "nomad")
    ]
    run(*upgrades, drill("other"))
    assert [stage.settings for stage in started] == [
        {"consul_version": "1.0.0", "nomad_version": "1.0.0"}
    ]


def test_a_drill_without_its_older_version_does_not_run(
    started: list[LocalStage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(tool: Tool) -> None:
        raise ToolError("403 Forbidden")

    monkeypatch.setattr(tools, "install", refuse)
    older = Tool(name="nomad", version="1.0.0", package="example.com/nomad", is_older=True)
    upgrade = replace(drill("upgrade"), older_tool=older, start_settings={"nomad_version": "1.0.0"})
    outcome, other = run(upgrade, drill("other"))
    assert outcome.not_run == "403 Forbidden" and not outcome.is_failed
    assert other.is_passed and [stage.settings for stage in started] == [{}]


def test_a_cloud_that_cannot_be_removed_is_reported(
    started: list[LocalStage], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LocalStage, "stop_error", "a bridge is left")
    all_drills = Runner(REQUEST_COUNT, outage_s=0)
    [outcome] = all_drills.run([drill("first")])
    assert outcome.is_passed and all_drills.has_leaked
    assert "a bridge is left" in capsys.readouterr().err


def test_an_interrupted_run_removes_its_cloud(started: list[LocalStage]) -> None:
    def interrupt(stage: Stage) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(drill("first", interrupt))
    assert [stage.is_stopped for stage in started] == [True]


def test_exactly_the_expected_droplets_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = LocalStage(SMALL, 0)
    ids = {"prime01nyc3": 1, "worker01nyc3": 2, "worker02nyc3": 3}
    monkeypatch.setattr(stage, "ids", lambda: ids)
    with stage.expect_replaced("worker"):
        ids = {"prime01nyc3": 1, "worker01nyc3-2": 4, "worker02nyc3-2": 5, "worker03nyc3": 6}
    with stage.expect_replaced():
        ids["worker04nyc3"] = 7
    expected = r"replaced \['prime01'\], expected \['worker01'\]"
    with pytest.raises(DrillError, match=expected), stage.expect_replaced("worker01"):
        ids = {**ids, "prime01nyc3": 9}


def test_an_update_that_ends_before_a_phase_is_an_error() -> None:
    with subprocess.Popen(["true"]) as process:
        phase = Phase(name="draining", has_begun=lambda: False)
        with pytest.raises(DrillError, match="ended with 0 before this: draining"):
            Stage.wait_during(process, phase)
