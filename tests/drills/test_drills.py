"""The parts of the drills that need no machines."""

import itertools
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drills import report
from tests.drills.__main__ import main, parse
from tests.drills.drill import Drill, Outcome, first_reasons
from tests.drills.load import Failure
from tests.drills.registry import DRILLS
from tests.drills.stage import Stage, Topology, kill_tree
from tests.drills.state import ClusterState
from toolchain.paths import ROOT

STATE = ClusterState(
    consul_keys={"drill/marker": "kept"},
    nomad_variables={"drill/marker": {"state": "kept"}},
    consul_tokens=frozenset({"operator"}),
    nomad_tokens=frozenset({"operator"}),
    jobs={"backserve": 20},
    job_versions={"backserve": 1},
)


def do_nothing(stage: Stage) -> None:
    pass


DRILL = Drill(name="drill", topology=Topology(1, 4), summary="nothing happens", act=do_nothing)


def outcome(**figures: object) -> Outcome:
    passed = Outcome(drill="drill", topology="1 prime + 4 workers", summary="nothing", allowed="0")
    return replace(passed, **figures)  # type: ignore[arg-type]


def test_every_drill_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["drills", "--list"])
    assert main() == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(DRILLS)


def test_every_drill_is_in_the_document() -> None:
    document = (ROOT / "docs/drills.md").read_text()
    assert [name for name in DRILLS if f"| `{name}` |" not in document] == []


def test_drills_of_one_topology_are_neighbours() -> None:
    topologies = [drill.topology for drill in DRILLS.values()]
    changes = sum(first != second for first, second in itertools.pairwise(topologies))
    assert changes == len(set(topologies)) - 1


def test_an_unknown_drill_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parse(["worker-of"])
    assert exited.value.code == 2
    assert "no drill worker-of" in capsys.readouterr().err


def test_without_an_allowance_every_failure_is_in_excess() -> None:
    failures = [Failure(3.0, "refused")]
    assert DRILL.excess(failures, 2.0) == failures
    assert DRILL.allowance == "0"


def test_failures_are_allowed_only_for_a_while_after_the_event() -> None:
    drill = replace(DRILL, allowed_s=10.0)
    at_once, at_the_end = Failure(19.5, "in flight"), Failure(30.0, "refused")
    early, late = Failure(18.9, "refused"), Failure(30.1, "refused")
    assert drill.excess([early, at_once, at_the_end, late], 20.0) == [early, late]
    assert drill.excess([at_once], None) == [at_once]


def test_failures_are_counted_by_reason() -> None:
    failures = [Failure(1.0, "refused"), Failure(2.0, "refused"), Failure(3.0, "503")]
    assert first_reasons(failures) == [
        "2 from 1.0 s to 2.0 s: refused",
        "1 from 3.0 s to 3.0 s: 503",
    ]


@pytest.mark.parametrize(
    ("figures", "is_failed"),
    [
        ({}, False),
        ({"failed": 3}, False),
        ({"failed": 3, "excess": 1}, True),
        ({"state_problems": ["jobs: lost backserve"]}, True),
        ({"error": "up failed"}, True),
        ({"not_run": "no older version"}, False),
    ],
)
def test_a_drill_fails_by_excess_failures_lost_state_and_errors(
    figures: dict[str, object], is_failed: bool
) -> None:
    assert outcome(**figures).is_failed is is_failed
    assert outcome(**figures).is_passed is (not is_failed and "not_run" not in figures)


@pytest.mark.parametrize(
    ("after", "difference"),
    [
        (replace(STATE, consul_keys={}), "Consul keys: lost drill/marker"),
        (
            replace(STATE, nomad_variables={"drill/marker": {"state": "other"}}),
            "Nomad variables: changed drill/marker",
        ),
        (replace(STATE, consul_tokens=frozenset({"other"})), "lost operator; added other"),
        (replace(STATE, nomad_tokens=frozenset()), "Nomad tokens: lost operator"),
        (replace(STATE, jobs={"backserve": 99}), "jobs: changed backserve"),
        (replace(STATE, job_versions={"backserve": 2}), "job versions: changed backserve"),
    ],
)
def test_every_part_of_the_state_is_compared(after: ClusterState, difference: str) -> None:
    [found] = STATE.differences(after, changes_jobs=False)
    assert difference in found


def test_a_new_version_of_a_job_may_be_expected() -> None:
    after = replace(STATE, job_versions={"backserve": 2})
    assert STATE.differences(after, changes_jobs=True) == []
    assert STATE.differences(STATE, changes_jobs=False) == []


def test_a_run_writes_its_rows_and_keeps_the_others(tmp_path: Path) -> None:
    page = tmp_path / "drills.md"
    drills = {"drill": DRILL, "other": replace(DRILL, name="other")}
    report.write([outcome(drill="other", requests=1000)], drills, page)
    assert "| not run |" in page.read_text()
    report.write([outcome(requests=10_000, failed=2, seconds=61.0)], drills, page)
    rows = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        "| `drill` | 1 prime + 4 workers | nothing | 10,000 | 2 | 0 | 0.0 s | yes | 61 |",
        "| `other` | 1 prime + 4 workers | nothing | 1,000 | 0 | 0 | 0.0 s | yes | 0 |",
    ]


def test_a_killed_process_leaves_no_descendants() -> None:
    """Also those in process groups of their own, as a provider's process is."""
    script = "setsid sleep 100 & setsid bash -c 'sleep 100 & echo $!; wait' & echo $!; wait"
    process = subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout
    pids = [int(process.stdout.readline()) for _ in range(2)]
    kill_tree(process)
    process.stdout.close()
    deadline = time.monotonic() + 5
    while any(_is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if _is_running(pid)] == []


def _is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
