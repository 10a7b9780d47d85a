"""``make bench`` with one round, against the update and the baseline that it measures."""

import json
import subprocess

from tests.stack.rig import CHECKOUT

FIGURES = (
    "baseline",
    "cold_up",
    "first_answer",
    "noop_up",
    "destroy",
    "cloud_down",
    "down",
    "up_with_image_build",
)


def test_bench_measures_each_figure() -> None:

    command = ["make", "bench", "ARGS=--rounds 1 --json"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    figures = json.loads(result.stdout[result.stdout.index("{") :])
    assert set(figures) == {*FIGURES, "longest_steps"}
    assert all(figures[name]["median"] > 0 for name in FIGURES)
