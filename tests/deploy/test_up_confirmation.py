"""``up`` asks before it replaces or deletes machines or data."""

import json

import pytest

from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import Project

PROGRAM = f"""
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("bucket", props)
    def diff(self, identity, olds, news):
        return DiffResult(
            changes=olds != news, replaces=["region"] if olds["region"] != news["region"] else []
        )
    def update(self, identity, olds, news):
        return UpdateResult(news)

class SpacesBucket(Resource, module="slipway", name="SpacesBucket"):
    def __init__(self, region, acl):
        super().__init__(Provider(), "artifacts", {{"region": region, "acl": acl}})

config = pulumi.Config()
SpacesBucket(config.get("region") or "nyc3", config.get("acl") or "private")
pulumi.export("format", {STATE_FORMAT})
"""
"""A bucket. Another region replaces it."""
RISK = "loses data: all that SpacesBucket artifacts stores"


@pytest.fixture
def bucket(project: Project) -> Project:
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def region(project: Project) -> str:
    state = json.loads(project.pulumi("stack", "export", "--stack", "dev"))
    [stored] = [item for item in state["deployment"]["resources"] if item.get("id") == "bucket"]
    return str(stored["outputs"]["region"])


def configure(project: Project, name: str, value: str) -> None:
    project.pulumi("config", "set", name, value, "--stack", "dev")


def test_up_without_a_terminal_needs_yes_to_lose_data(bucket: Project) -> None:
    configure(bucket, "region", "ams3")
    refused = bucket.deploy("up", "--json")
    assert refused.returncode == 2
    [failure] = json.loads(refused.stdout)["failures"]
    assert RISK in failure["message"] and "give --yes" in failure["message"]
    assert region(bucket) == "nyc3"
    done = bucket.deploy("up", "--yes")
    assert done.returncode == 0 and "preview" not in done.stderr
    assert region(bucket) == "ams3"


def test_up_asks_on_a_terminal(bucket: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(bucket, "region", "ams3")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "no")
    refused = bucket.deploy("up")
    assert refused.returncode == 2 and region(bucket) == "nyc3"
    assert f"RISK: {RISK}" in refused.stderr, "the risk is shown before the question"
    monkeypatch.setattr("builtins.input", lambda question: "dev")
    assert bucket.deploy("up").returncode == 0
    assert region(bucket) == "ams3"


def test_up_does_not_ask_about_a_change_without_a_risk(
    bucket: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    configure(bucket, "acl", "public-read")
    done = bucket.deploy("up")
    assert done.returncode == 0 and "1 updated" in done.stderr
