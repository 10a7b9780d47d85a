"""The workflow calls existing commands, with the versions that the toolchain pins."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.commands import parser

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())
STEPS: list[dict[str, Any]] = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
RUNS = [step["run"] for step in STEPS if "run" in step]
DEPLOYS = [run for run in RUNS if "-m deploy" in run]
TOOLS = tomllib.loads((ROOT / "toolchain/versions.toml").read_text())["tools"]


@pytest.mark.parametrize("run", DEPLOYS)
def test_the_commands_it_calls_exist(run: str) -> None:
    words = [word.replace("$STACK", WORKFLOW["env"]["STACK"]) for word in shlex.split(run)]
    assert words[:3] == ["python", "-m", "deploy"]
    args = parser().parse_args(words[3:])
    assert (ROOT / f"Pulumi.{args.stack}.yaml").exists()


def test_a_pull_request_is_previewed_and_main_is_deployed() -> None:
    triggers = WORKFLOW[True]  # YAML 1.1 reads the key `on` so
    assert triggers["push"]["branches"] == triggers["pull_request"]["branches"] == ["main"]
    by_job = {
        name: [
            step["run"].split()[3] for step in job["steps"] if "-m deploy" in step.get("run", "")
        ]
        for name, job in WORKFLOW["jobs"].items()
    }
    assert by_job == {"preview": ["preview"], "up": ["up", "verify"]}
    assert "pull_request" in WORKFLOW["jobs"]["preview"]["if"]
    assert (
        WORKFLOW["jobs"]["up"]["if"]
        == "github.event_name == 'push' || github.event_name == 'schedule'"
    )


def test_the_workflow_runs_monthly_and_every_job_has_an_environment() -> None:
    [monthly] = WORKFLOW[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \d+ \* \*", monthly["cron"])
    assert all(job["environment"] for job in WORKFLOW["jobs"].values())


def test_permissions_are_read_only_and_actions_are_pinned() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in WORKFLOW["jobs"].values())
    for step in STEPS:
        assert "uses" not in step or re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", step["uses"])


def test_a_later_run_does_not_cancel_an_update() -> None:
    assert (
        WORKFLOW["concurrency"]["cancel-in-progress"]
        == "${{ github.event_name == 'pull_request' }}"
    )


def test_versions_are_those_of_the_toolchain() -> None:
    versions = {
        key: step["with"][key]
        for step in STEPS
        for key in ("pulumi-version", "version")
        if key in step.get("with", {})
    }
    assert versions == {
        "pulumi-version": TOOLS["pulumi"]["version"],
        "version": TOOLS["packer"]["version"],
    }
    plugin = next(run for run in RUNS if "packer plugins" in run)
    assert plugin.endswith(f" v{TOOLS['packer-plugin-digitalocean']['version']}")
    assert any("requirements.txt" in run for run in RUNS)
