"""``make bench``: the times of an update from nothing, one without changes, and a destroy.

The baseline is a lower bound for any program on this machine. The same number of machines boots
in parallel from the same image and is enrolled, up to ready Nomad clients. The time for which a
job must be healthy by its specification is added.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from infra.settings import Settings
from tests.baseline import Baseline, wait_until
from tests.stack.rig import Rig

MIN_HEALTHY_S = 20.0
LONGEST_STEP_COUNT = 5
MAX_RATIO = 1.5
"""Of a cold update to the baseline."""

ROWS = (
    ("baseline", "baseline: ready machines, and 20 s healthy", None),
    ("cold_up", "cold up, image built", None),
    ("first_answer", "first good answer of that up", 60.0),
    ("noop_up", "up that changes nothing", 8.0),
    ("destroy", "destroy", None),
    ("cloud_down", "cloud down", None),
    ("down", "down: both", 15.0),
    ("up_with_image_build", "first up, image build included", None),
)
"""Figure, description and goal in seconds."""


def measure_s(action: Callable[[], object]) -> float:
    """Run ``action`` and return its duration."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


def destroy(rig: Rig) -> None:
    """Raises:
    AssertionError: the destroy failed.
    """
    result = rig.deploy("destroy", "--yes")
    assert result.code == 0, result.stderr[-2000:]


def longest_steps(changes: list[dict[str, Any]]) -> list[str]:
    """Describe an update's longest steps. They run in parallel, so they do not add up."""
    steps = sorted(changes, key=lambda change: -float(change["seconds"]))
    return [
        f"{change['seconds']:.1f} s  {change['type']} {change['name']}"
        for change in steps[:LONGEST_STEP_COUNT]
    ]


class FirstAnswer:
    """Polls for the first good answer of the load balancer, in a thread beside the update."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._start = time.monotonic()
        self._duration_s: float | None = None
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def _poll(self) -> None:
        def has_answered() -> bool:
            load_balancers = self._rig.api("/v2/load_balancers")["load_balancers"]
            if not load_balancers:
                return False
            return requests.get(f"http://{load_balancers[0]['ip']}/", timeout=2).status_code == 200

        wait_until(has_answered)
        self._duration_s = time.monotonic() - self._start

    def duration_s(self) -> float:
        """Return the time from the creation of this object to the answer.

        Raises:
            TimeoutError: there was none.
        """
        self._thread.join()
        if self._duration_s is None:
            raise TimeoutError("the load balancer never gave a good answer")
        return self._duration_s


def measure(rig: Rig, rounds: int) -> dict[str, Any]:
    """Measure each figure once a round, in seconds."""
    figures: dict[str, list[float]] = {
        name: [] for name in ("baseline", "cold_up", "first_answer", "noop_up", "destroy")
    }
    report_progress("the first up builds the image; it is not counted")
    figures["up_with_image_build"] = [measure_s(rig.up)]
    image = int(rig.api("/v2/images?private=true")["images"][0]["id"])
    # A second tag keeps the image when the stack is destroyed.
    rig.api("/v2/tags", "POST", name="used-by-bench")
    tagged = [{"resource_id": str(image), "resource_type": "image"}]
    rig.api("/v2/tags/used-by-bench/resources", "POST", resources=tagged)
    destroy(rig)
    for number in range(1, rounds + 1):
        report_progress(f"round {number} of {rounds}")
        baseline = Baseline(rig, image, Settings(admin_cidrs=()))
        figures["baseline"].append(measure_s(baseline.boot) + MIN_HEALTHY_S)
        baseline.destroy()
        first_answer = FirstAnswer(rig)
        start = time.monotonic()
        changes = rig.up()["changes"]
        figures["cold_up"].append(time.monotonic() - start)
        figures["first_answer"].append(first_answer.duration_s())
        figures["noop_up"].append(measure_s(rig.up))
        figures["destroy"].append(measure_s(lambda: destroy(rig)))
    summary: dict[str, Any] = {"longest_steps": longest_steps(changes)}
    return summary | {name: summarize(values) for name, values in figures.items()}


def summarize(values: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 1),
        "all": [round(value, 1) for value in values],
    }


def report_progress(text: str) -> None:
    print(f"  ..  {text}", file=sys.stderr, flush=True)


def print_table(figures: dict[str, Any]) -> None:
    for key, description, goal_s in ROWS:
        goal = f"  (goal: under {goal_s:.0f} s)" if goal_s else ""
        print(f"{description:42}{figures[key]['median']:8.1f} s   {figures[key]['all']}{goal}")
    ratio = figures["cold_up"]["median"] / figures["baseline"]["median"]
    print(f"{'cold up / baseline':42}{ratio:8.2f}     (goal: at most {MAX_RATIO})")
    print("the longest steps of a cold up, in parallel:")
    print("  " + "\n  ".join(figures["longest_steps"]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds to measure (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig("bench", Path(directory) / "checkout")
        try:
            rig.start()
            figures = measure(rig, args.rounds)
        finally:
            down_s = measure_s(rig.stop)
    figures["cloud_down"] = summarize([down_s])
    figures["down"] = {"median": round(figures["destroy"]["median"] + down_s, 1), "all": []}
    if args.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
