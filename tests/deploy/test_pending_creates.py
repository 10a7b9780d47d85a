"""Droplets that a killed update left: found by the state's pending creates, and deleted."""

import json
import subprocess
import time
from typing import Any

import pytest

from deploy import account as deploy_account
from deploy import pending_creates
from deploy.account import Account, AccountError, Droplet
from deploy.stack import State
from infra.digitalocean_api import ApiError
from tests.deploy.support.throwaway import Project
from tests.infra.support.account_api import AccountApi

TYPE = "digitalocean:index/droplet:Droplet"
PROVIDER = "urn:pulumi:dev::throwaway::pulumi:providers:digitalocean::default"
LEFT = "an interrupted update left the droplet worker02nyc3 (id 7)"


@pytest.fixture
def account(account: AccountApi, monkeypatch: pytest.MonkeyPatch) -> AccountApi:
    monkeypatch.setattr(deploy_account, "POLL_INTERVAL_S", 0.01)
    return account


@pytest.fixture
def killed(project: Project, account: AccountApi) -> Project:
    """A stack whose last update was killed when it created worker02nyc3."""
    assert project.deploy("up").returncode == 0
    # `pulumi stack import` would remove the pending create.
    file = project.directory.parent / "state/.pulumi/stacks/throwaway/dev.json"
    state = json.loads(file.read_text())
    state["checkpoint"]["latest"]["pending_operations"] = [
        {
            "type": "creating",
            "resource": {
                "urn": f"urn:pulumi:dev::throwaway::{TYPE}::worker02",
                "custom": True,
                "type": TYPE,
                "inputs": {"name": "worker02nyc3"},
                "provider": f"{PROVIDER}::04da6b54-80e4-46f7-96ec-b56ff0331ba9",
            },
        }
    ]
    file.write_text(json.dumps(state))
    account.things["droplets"] = [
        body(6, "worker01nyc3", "throwaway-dev-worker"),
        body(7, "worker02nyc3", "throwaway-dev-worker"),
        body(8, "worker02nyc3", "other-dev-worker"),
    ]
    return project


def body(id: int, name: str, tag: str) -> dict[str, Any]:
    """Return a droplet as the API describes it."""
    return {
        "id": id,
        "name": name,
        "tags": [tag],
        "status": "active",
        "size_slug": "s-1vcpu-1gb",
        "region": {"slug": "nyc3"},
        "networks": {"v4": []},
    }


def pending_operations(project: Project) -> list[dict[str, Any]]:
    exported = json.loads(project.pulumi("stack", "export", "--stack", "dev"))
    found: list[dict[str, Any]] = exported["deployment"].get("pending_operations", [])
    return found


def ids(account: AccountApi) -> list[int]:
    return [droplet["id"] for droplet in account.things["droplets"]]


@pytest.mark.parametrize("command", [("up",), ("destroy", "--yes")])
def test_droplet_of_a_killed_update_is_deleted_and_named(
    killed: Project, account: AccountApi, command: tuple[str, ...]
) -> None:
    account.refusing = [422, 422]  # as long as the droplet is being created
    done = killed.deploy(*command)
    assert f"{LEFT}, which is not in the state; it is deleted" in done.stderr
    assert account.deleted == ["7"]
    assert ids(account) == [6, 8]
    if command == ("up",):
        assert done.returncode == 0, done.stderr
        # The pending create stays in the state until a refresh.
        account.things["droplets"] = []
        again = killed.deploy("up")
        assert again.returncode == 0 and LEFT not in again.stderr


@pytest.mark.parametrize("command", ["preview", "drift", "refresh"])
def test_commands_that_change_no_resource_only_name_the_droplet(
    killed: Project, account: AccountApi, command: str
) -> None:
    shown = killed.deploy(command)
    assert shown.returncode == 0, shown.stderr
    assert f"{LEFT}, which is not in the state; `up` deletes it" in shown.stderr
    assert account.deleted == []
    assert pending_operations(killed)


def test_refresh_without_such_a_droplet_removes_the_pending_create(
    killed: Project, account: AccountApi
) -> None:
    account.things["droplets"] = []
    assert killed.deploy("refresh").returncode == 0
    assert not pending_operations(killed)


def test_no_droplet_is_deleted_while_another_update_runs(
    killed: Project, account: AccountApi
) -> None:
    droplets, account.things["droplets"] = account.things["droplets"], []
    killed.mode("slow", size="large")
    killed.file.unlink()
    killed.pulumi("refresh", "--yes", "--skip-preview", "--skip-pending-creates", "--stack", "dev")
    running = killed.start("up")
    _wait_for_start(killed, running)
    account.things["droplets"] = droplets
    refused = killed.deploy("up")
    killed.file.with_name("resource-file.may-end").touch()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert refused.returncode == 1
    assert "another update holds the stack's lock" in refused.stderr
    assert account.deleted == []


def _wait_for_start(project: Project, running: "subprocess.Popen[str]") -> None:
    while not project.file.with_name("resource-file.started").exists():
        assert running.poll() is None
        time.sleep(0.05)


def test_account_that_cannot_be_read_fails_before_the_update(
    killed: Project, account: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "wrong")
    failed = killed.deploy("up")
    assert failed.returncode == 1 and "rejects the token" in failed.stderr


def droplet(id: int, name: str) -> Droplet:
    return Droplet(id, name, "active", "s-1vcpu-1gb", "nyc3", "203.0.113.7", "10.10.0.7", 6.0)


def resource(name: str, type: str = TYPE, **more: object) -> dict[str, Any]:
    return {"type": type, "inputs": {"name": name}, **more}


@pytest.mark.parametrize(
    ("pending", "in_state", "found"),
    [
        ([resource("worker01nyc3")], [], [1]),
        ([resource("worker01nyc3")], [resource("worker01nyc3", id="9")], [1]),
        # The creation had ended, or a later update has created the droplet.
        ([resource("worker01nyc3")], [resource("worker01nyc3", id="1")], []),
        # The droplet waits for its deletion.
        ([resource("worker01nyc3")], [resource("worker01nyc3", id="1", delete=True)], []),
        ([resource("worker01nyc3-2")], [], []),
        ([resource("worker01nyc3", type="digitalocean:index/volume:Volume")], [], []),
        ([{"type": TYPE}], [], []),
        ([], [], []),
    ],
)
def test_droplet_is_found_by_its_exact_name_unless_the_state_has_its_id(
    pending: list[dict[str, Any]], in_state: list[dict[str, Any]], found: list[int]
) -> None:
    droplets = [droplet(1, "worker01nyc3"), droplet(2, "worker02nyc3")]
    state = State(resources=in_state, pending_creates=pending)
    assert [one.id for one in pending_creates.find(state, droplets)] == found


def test_droplet_that_stays_is_an_error(
    account: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy_account, "DELETION_TIMEOUT_S", 0.05)
    account.things["droplets"] = [body(7, "worker02nyc3", "throwaway-dev-worker")]
    account.refusing = [422] * 1000
    with pytest.raises(AccountError, match="droplet 7 was not deleted within"):
        Account().delete_droplet(7)


def test_refused_deletion_is_an_error(account: AccountApi) -> None:
    account.things["droplets"] = [body(7, "worker02nyc3", "throwaway-dev-worker")]
    account.refusing = [403]
    with pytest.raises(ApiError, match="answers 403"):
        Account().delete_droplet(7)
