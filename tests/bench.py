"""``make bench``: how long a stack takes to come up, to change nothing and to go down, beside the floor, in one run.

The floor is what no program can be quicker than here: the same number of machines from the same image, booted side by
side with cloud-init, enrolled as nodes are, to Nomad clients that are ready, and then the time for which a job must be
healthy by its own terms.
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
from tests.baseline import Floor, wait
from tests.stack.rig import Rig

MIN_HEALTHY_SECONDS = 20.0


def timed(act: Callable[[], object]) -> float:
    start = time.monotonic()
    act()
    return time.monotonic() - start


def destroy(rig: Rig) -> None:
    """A destroy that fails is no figure."""
    done = rig.deploy("destroy", "--yes")
    assert done.code == 0, done.stderr[-2000:]


def longest(changes: list[dict[str, Any]]) -> list[str]:
    """Where an update's time goes: its longest steps, as the engine told them. They run side by side, so they do not add up."""
    steps = sorted(changes, key=lambda change: -float(change["seconds"]))
    return [f"{change['seconds']:.1f} s  {change['type']} {change['name']}" for change in steps[:5]]


def measure(rig: Rig, rounds: int) -> dict[str, Any]:
    """Each figure ``rounds`` times, in turn; seconds."""
    figures: dict[str, list[float]] = {
        name: [] for name in ("floor", "cold_up", "first_answer", "noop_up", "destroy")
    }
    say("the first up builds the image; it is not counted")
    figures["up_with_image_build"] = [timed(rig.up)]
    image = int(rig.api("/v2/images?private=true")["images"][0]["id"])
    # A second owner keeps the image when the stack goes.
    rig.api("/v2/tags", "POST", name="used-by-bench")
    tagged = [{"resource_id": str(image), "resource_type": "image"}]
    rig.api("/v2/tags/used-by-bench/resources", "POST", resources=tagged)
    destroy(rig)
    for turn in range(1, rounds + 1):
        say(f"round {turn} of {rounds}")
        floor = Floor(rig, image, Settings(admin_cidrs=()))
        figures["floor"].append(timed(floor.boot) + MIN_HEALTHY_SECONDS)
        floor.clear()
        answered = FirstAnswer(rig)
        results: list[dict[str, Any]] = []
        figures["cold_up"].append(timed(lambda: results.append(rig.up())))  # noqa: B023 (called at once)
        figures["first_answer"].append(answered.seconds())
        figures["noop_up"].append(timed(rig.up))
        figures["destroy"].append(timed(lambda: destroy(rig)))
        steps = longest(results[0]["changes"])
    told: dict[str, Any] = {"longest_steps": steps}
    for name, values in figures.items():
        told[name] = {
            "median": round(statistics.median(values), 1),
            "all": [round(value, 1) for value in values],
        }
    return told


class FirstAnswer:
    """Watches for the first good answer of the balancer from its making on; the update is not disturbed."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._start = time.monotonic()
        self._seconds: float | None = None
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        def good() -> bool:
            balancers = self._rig.api("/v2/load_balancers")["load_balancers"]
            time.sleep(0.4)
            return (
                bool(balancers)
                and requests.get(f"http://{balancers[0]['ip']}/", timeout=2).status_code == 200
            )

        wait(good)
        self._seconds = time.monotonic() - self._start

    def seconds(self) -> float:
        """Raises:
        TimeoutError: there was none.
        """
        self._thread.join()
        if self._seconds is None:
            raise TimeoutError("the balancer never gave a good answer")
        return self._seconds


def say(text: str) -> None:
    print(f"  ..  {text}", file=sys.stderr, flush=True)


ROWS = (
    ("floor", "floor: machines ready, and 20 s healthy", None),
    ("cold_up", "cold up, image built", None),
    ("first_answer", "first good answer of that up", 60.0),
    ("noop_up", "up that changes nothing", 8.0),
    ("destroy", "destroy", None),
    ("cloud_down", "cloud down", None),
    ("down", "down: both", 15.0),
    ("up_with_image_build", "first up, image build included", None),
)
"""Figure, what it is, and the goal in seconds."""

RATIO_GOAL = 1.5


def show(figures: dict[str, Any]) -> None:
    for key, text, goal in ROWS:
        aim = f"  (goal: under {goal:.0f} s)" if goal else ""
        print(f"{text:42}{figures[key]['median']:8.1f} s   {figures[key]['all']}{aim}")
    ratio = figures["cold_up"]["median"] / figures["floor"]["median"]
    print(f"{'cold up / floor':42}{ratio:8.2f}     (goal: at most {RATIO_GOAL})")
    print(
        "the longest steps of a cold up, side by side:\n  " + "\n  ".join(figures["longest_steps"])
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig("bench", Path(directory) / "checkout")
        down = [0.0]
        try:
            rig.start()
            figures = measure(rig, options.rounds)
        finally:
            down = [timed(rig.stop)]
    figures["cloud_down"] = {"median": round(down[0], 1), "all": [round(down[0], 1)]}
    figures["down"] = {"median": round(figures["destroy"]["median"] + down[0], 1), "all": []}
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
