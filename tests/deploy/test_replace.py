"""``replace``: the counter in the stack's file, and the update that follows."""

import json
from typing import Any

import pytest
import yaml

from deploy.errors import UsageError
from deploy.machines import Machine, find_machine, list_machines
from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import Project
from tests.infra.support.account_api import AccountApi

PROGRAM = f"""
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("slot", props)
    def diff(self, identity, olds, news):
        return DiffResult(changes=olds["keepers"] != news["keepers"])
    def update(self, identity, olds, news):
        if news["keepers"]["replacements"] == "13":
            raise Exception("the API answered 422: no capacity")
        return UpdateResult(news)

class Generation(Resource, module="slipway", name="Generation"):
    def __init__(self, slot, replacements):
        keepers = {{
            "image": "1",
            "replacements": str(replacements),
            "region": "nyc3",
            "task_driver": "exec",
        }}
        super().__init__(Provider(), slot, {{"name": f"{{slot}}nyc3-2", "keepers": keepers}})

counters = pulumi.Config("slipway").get_object("replace") or {{}}
for slot in ("worker01", "worker02"):
    Generation(slot, counters.get(slot, 0))
pulumi.export("format", {STATE_FORMAT})
"""
"""Two machines without droplets."""


@pytest.fixture
def machines(project: Project, account: AccountApi) -> Project:
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def counters(project: Project) -> object:
    """Return the counters of the stack's file."""
    return yaml.safe_load(project.settings.read_text())["config"].get("slipway:replace")


def test_replace_raises_the_counter_of_one_machine_and_updates(machines: Project) -> None:
    replaced = machines.deploy("replace", "worker01nyc3-2", "--yes", "--json")
    assert replaced.returncode == 0, replaced.stderr
    result = json.loads(replaced.stdout)
    assert (result["operation"], result["result"]) == ("up", "succeeded")
    assert [(change["action"], change["name"]) for change in result["changes"]] == [
        ("updated", "worker01")
    ]
    assert counters(machines) == {"worker01": 1}
    assert machines.deploy("replace", "worker01", "--yes").returncode == 0
    assert machines.deploy("replace", "worker02", "--yes").returncode == 0
    assert counters(machines) == {"worker01": 2, "worker02": 1}
    assert "# Settings of dev." in machines.settings.read_text()
    assert machines.deploy("preview", "--expect-no-changes").returncode == 0


@pytest.mark.parametrize("name", ["worker03", "worker01nyc3", "worker0"])
def test_unknown_machine_is_a_usage_error_and_changes_nothing(machines: Project, name: str) -> None:
    refused = machines.deploy("replace", name, "--yes")
    assert refused.returncode == 2
    assert f"no machine {name}" in refused.stderr
    assert "worker01nyc3-2, worker02nyc3-2" in refused.stderr
    assert counters(machines) is None


def test_unconfirmed_replacement_changes_nothing(
    machines: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = machines.deploy("replace", "worker01")
    assert refused.returncode == 2 and "give --yes" in refused.stderr
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert machines.deploy("replace", "worker01").returncode == 2
    assert counters(machines) is None
    monkeypatch.setattr("builtins.input", lambda _: "dev")
    assert machines.deploy("replace", "worker01").returncode == 0
    assert counters(machines) == {"worker01": 1}


def test_replacement_without_room_for_the_new_droplet_changes_nothing(
    machines: Project, account: AccountApi
) -> None:
    account.account["droplet_limit"] = 2
    account.things["droplets"] = [{"id": 1, "tags": []}, {"id": 2, "tags": ["of another stack"]}]
    refused = machines.deploy("replace", "worker01", "--yes", "--json")
    assert refused.returncode == 2
    [failure] = json.loads(refused.stdout)["failures"]
    assert "already has 2 of 2 droplets" in failure["message"]
    assert "ask DigitalOcean for a higher limit" in failure["message"]
    assert counters(machines) is None
    account.account["droplet_limit"] = 3
    assert machines.deploy("replace", "worker01", "--yes").returncode == 0


def test_failed_replacement_names_the_command_that_completes_it(machines: Project) -> None:
    machines.pulumi("config", "set", "--path", "slipway:replace.worker01", "12", "--stack", "dev")
    assert machines.deploy("up").returncode == 0
    failed = machines.deploy("replace", "worker01", "--yes")
    assert failed.returncode == 1
    assert "no capacity" in failed.stderr and "up dev` completes the replacement" in failed.stderr
    assert counters(machines) == {"worker01": 13}


def generation(name: str, replacements: str, **more: object) -> dict[str, Any]:
    return {
        "type": "pulumi-python:dynamic/slipway:Generation",
        "outputs": {
            "name": name,
            "keepers": {"replacements": replacements, "region": "nyc3", "task_driver": "exec"},
        },
        **more,
    }


def test_machines_are_the_current_generations_of_the_state() -> None:
    state = [
        generation("worker02nyc3", "0"),
        generation("worker01nyc3-3", "2"),
        generation("worker01nyc3", "1", delete=True),
        {"type": "digitalocean:index/droplet:Droplet", "outputs": {"name": "worker09nyc3"}},
    ]
    assert list_machines(state) == [
        Machine("worker01nyc3-3", 2, "nyc3", "exec"),
        Machine("worker02nyc3", 0, "nyc3", "exec"),
    ]


def test_a_machine_is_found_by_its_slot_or_its_droplet() -> None:
    machines = [
        Machine("worker01nyc3-3", 2, "nyc3", "exec"),
        Machine("worker010nyc3", 0, "nyc3", "exec"),
    ]
    assert find_machine("worker01", machines, "dev") == find_machine(
        "worker01nyc3-3", machines, "dev"
    )
    assert find_machine("worker010", machines, "dev") == machines[1]
    with pytest.raises(UsageError, match="its machines: none; run"):
        find_machine("worker01", [], "dev")
