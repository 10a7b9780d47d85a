"""``up --batch``: one update after another, each of which replaces a few machines."""

import json
import os
from pathlib import Path

import pytest

from deploy.batches import make_batches, replacing_only, require_same_kind
from deploy.errors import UsageError
from deploy.machines import Machine
from infra.settings import check
from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import Project
from tests.infra.support.account_api import AccountApi

PROGRAM = f"""
import os, pathlib
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

log = str(pathlib.Path(__file__).with_name("log"))

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("slot", props)
    def diff(self, identity, olds, news):
        return DiffResult(changes=olds["keepers"] != news["keepers"])
    def update(self, identity, olds, news):
        with open(log, "a") as file:
            print(os.environ["SLIPWAY_BATCH"], olds["name"], file=file)
        if news["keepers"]["image"] == olds["name"]:
            raise Exception("the API answered 422: no capacity")
        return UpdateResult(news)

class Generation(Resource, module="slipway", name="Generation"):
    def __init__(self, slot, image, may_replace):
        keepers = {{
            "image": image, "replacements": "0", "region": "nyc3", "task_driver": "exec"
        }}
        ignored = [] if may_replace else ["keepers"]
        options = pulumi.ResourceOptions(ignore_changes=ignored)
        super().__init__(Provider(), slot, {{"name": f"{{slot}}nyc3", "keepers": keepers}}, options)

batch = os.environ.get("SLIPWAY_BATCH")
for slot in ("prime01", "worker01", "worker02"):
    Generation(slot, pulumi.Config().require("mode"), batch is None or slot in batch.split(","))
pulumi.export("format", {STATE_FORMAT})
"""
"""Three machines without droplets. The image may be the name of a machine that it breaks."""


@pytest.fixture
def machines(project: Project, account: AccountApi) -> Project:
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def updates(directory: Path) -> list[str]:
    """Return the batch and the machine of each update of a machine."""
    log = directory / "log"
    return log.read_text().splitlines() if log.exists() else []


def test_each_update_replaces_one_batch_and_primes_come_first(machines: Project) -> None:
    machines.mode("other")
    done = machines.deploy("up", "--yes", "--batch", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert "batch 1 of 2: prime01, worker01" in done.stderr
    assert "batch 2 of 2: worker02" in done.stderr
    assert sorted(updates(machines.directory)) == [
        "prime01,worker01 prime01nyc3",
        "prime01,worker01 worker01nyc3",
        "worker02 worker02nyc3",
    ]
    assert json.loads(done.stdout)["result"] == "succeeded"
    assert machines.deploy("preview", "--expect-no-changes").returncode == 0


def test_a_failed_batch_ends_the_command_and_up_can_be_repeated(machines: Project) -> None:
    machines.mode("worker01nyc3")
    failed = machines.deploy("up", "--yes", "--batch", "1", "--json")
    assert failed.returncode == 1 and "no capacity" in failed.stderr
    assert json.loads(failed.stdout)["batch"] == ["worker01"]
    assert updates(machines.directory) == ["prime01 prime01nyc3", "worker01 worker01nyc3"]
    machines.mode("other")
    assert machines.deploy("up", "--yes", "--batch", "1").returncode == 0
    assert updates(machines.directory)[2:] == [
        "prime01 prime01nyc3",
        "worker01 worker01nyc3",
        "worker02 worker02nyc3",
    ]


def test_batches_that_nobody_confirmed_change_nothing(machines: Project) -> None:
    machines.mode("other")
    refused = machines.deploy("up", "--batch", "2")
    assert refused.returncode == 2 and "give --yes" in refused.stderr
    assert not updates(machines.directory)


@pytest.mark.parametrize("size", ["0", "-1", "two"])
def test_a_batch_has_at_least_one_machine(project: Project, size: str) -> None:
    with pytest.raises(SystemExit):
        project.deploy("up", f"--batch={size}")
    assert not updates(project.directory)


def test_an_empty_batch_replaces_no_machine() -> None:
    values = {"admin_cidrs": "203.0.113.0/24"}
    with replacing_only(()):
        settings, problems = check("dev", values, os.environ)
    assert problems == [] and not settings.may_replace("worker01")
    settings, _ = check("dev", values, os.environ)
    assert settings.may_replace("worker01")


def test_a_stack_without_machines_has_no_batches() -> None:
    assert make_batches([], 3) == []


@pytest.mark.parametrize(
    ("region", "task_driver", "setting"),
    [("ams3", "exec", "region"), ("nyc3", "raw_exec", "task_driver")],
)
def test_changes_of_all_machines_at_once_are_refused(
    region: str, task_driver: str, setting: str
) -> None:
    machines = [
        Machine("prime01nyc3", 0, "nyc3", "exec"),
        Machine("worker01nyc3", 0, "nyc3", "exec"),
    ]
    require_same_kind(machines, region="nyc3", task_driver="exec")
    with pytest.raises(UsageError, match=f"^{setting}: .* without --batch"):
        require_same_kind(machines, region=region, task_driver=task_driver)
