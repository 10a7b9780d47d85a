"""Resources that only the account has: named, deleted by `up`, `destroy` and `prune`."""

import json
import subprocess
import time
from typing import Any

import pytest

from deploy.commands import destroy, verify
from infra.digitalocean_api import ApiError
from tests.deploy.support.throwaway import Project
from tests.infra.support.account_api import TOKEN, AccountApi

TYPE = "digitalocean:index/droplet:Droplet"
PROVIDER = "urn:pulumi:dev::throwaway::pulumi:providers:digitalocean::default"
ORPHAN = "the droplet worker02nyc3 (id 7)"
DELETED = f"{ORPHAN} was not in the state; it is deleted"
NAMED = f"{ORPHAN} is in the account but not in the state"


@pytest.fixture
def killed(project: Project, account: AccountApi) -> Project:
    """A stack whose last update was killed when it created worker02nyc3."""
    assert project.deploy("up").returncode == 0
    # `pulumi stack import` would remove the pending create.
    project.set_pending_operation(
        "creating",
        {
            "urn": f"urn:pulumi:dev::throwaway::{TYPE}::worker02",
            "custom": True,
            "type": TYPE,
            "inputs": {"name": "worker02nyc3"},
            "provider": f"{PROVIDER}::04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        },
    )
    account.things["droplets"] = [
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


@pytest.mark.parametrize("command", [("up",), ("destroy", "--yes"), ("prune", "--yes")])
def test_droplet_of_a_killed_update_is_deleted_and_named(
    killed: Project, account: AccountApi, command: tuple[str, ...]
) -> None:
    account.refusing = [422, 422]  # as long as the droplet is being created
    done = killed.deploy(*command, "--json")
    assert done.returncode == 0, done.stderr
    assert DELETED in done.stderr
    assert account.deleted == ["7"]
    assert ids(account) == [8]
    result = json.loads(done.stdout)
    key = "deleted" if command[0] == "prune" else "orphans"
    assert [(one["kind"], one["id"]) for one in result[key]] == [("droplet", "7")]
    assert not pending_operations(killed)


@pytest.mark.parametrize(("command", "code"), [("preview", 0), ("refresh", 0), ("drift", 3)])
def test_commands_that_change_no_resource_only_name_the_droplet(
    killed: Project, account: AccountApi, command: str, code: int
) -> None:
    shown = killed.deploy(command)
    assert shown.returncode == code, shown.stderr
    assert NAMED in shown.stderr
    assert "`python -m deploy prune dev`" in shown.stderr
    assert account.deleted == []
    assert pending_operations(killed)


def test_pending_create_without_an_orphan_is_removed(killed: Project, account: AccountApi) -> None:
    account.things["droplets"] = []
    assert killed.deploy("up").returncode == 0
    assert not pending_operations(killed)


def test_orphans_of_which_the_state_shows_nothing_may_belong_to_another_backend(
    project: Project, account: AccountApi
) -> None:
    account.things["droplets"] = [body(7, "worker02nyc3", "throwaway-dev-worker")]
    refused = project.deploy("up")
    assert refused.returncode == 2
    [message] = [line for line in refused.stderr.splitlines() if ORPHAN in line]
    assert "PULUMI_BACKEND_URL" in message and "`python -m deploy prune dev`" in message
    assert not project.file.exists()
    kept = project.deploy("destroy", "--yes", "--json")
    assert kept.returncode == 1
    assert [one["id"] for one in json.loads(kept.stdout)["left"]] == ["7"]
    assert account.deleted == []


def test_only_prune_deletes_a_volume(project: Project, account: AccountApi) -> None:
    """The program makes no volume, so a volume with the stack's tag holds data of the user."""
    assert project.deploy("up").returncode == 0
    account.things["volumes"] = [{"id": "v", "name": "data", "tags": ["throwaway-dev-worker"]}]
    assert project.deploy("up").returncode == 0
    assert project.deploy("drift").returncode == 3
    left = project.deploy("destroy", "--yes", "--json")
    assert left.returncode == 1
    assert [one["id"] for one in json.loads(left.stdout)["left"]] == ["v"]
    assert account.deleted == []
    assert project.deploy("prune", "--yes").returncode == 0
    assert account.deleted == ["v"]


def test_verify_fails_with_an_orphan(
    project: Project, account: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "verify", lambda _outputs: [])
    assert project.deploy("up").returncode == 0
    assert project.deploy("verify").returncode == 0
    account.things["droplets"] = [body(7, "worker02nyc3", "throwaway-dev-worker")]
    failed = project.deploy("verify", "--json")
    assert failed.returncode == 1
    [check, _] = json.loads(failed.stdout)["checks"]
    assert check["check"] == "account" and not check["ok"]
    assert ORPHAN in check["detail"] and "`python -m deploy prune dev`" in check["detail"]


@pytest.mark.parametrize(("had_bucket", "code"), [(True, 1), (False, 0)])
def test_a_bucket_that_cannot_be_searched_is_a_failure(
    project: Project,
    account: AccountApi,
    monkeypatch: pytest.MonkeyPatch,
    had_bucket: bool,
    code: int,
) -> None:
    """A memory cloud has no Spaces, and its stacks have no bucket."""
    monkeypatch.setattr(verify, "verify", lambda _outputs: [])
    monkeypatch.setattr(destroy, "has_bucket", lambda _state: had_bucket)
    assert project.deploy("up").returncode == 0
    for name, value in {
        "SPACES_ACCESS_KEY_ID": "key",
        "SPACES_SECRET_ACCESS_KEY": "secret",
        "SPACES_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    failed = project.deploy("verify", "--json")
    assert failed.returncode == 1
    [check, _] = json.loads(failed.stdout)["checks"]
    assert not check["ok"] and "Spaces did not say" in check["detail"]
    unknown = project.deploy("destroy", "--yes", "--json")
    assert unknown.returncode == code
    assert "whether a bucket is left is unknown: Spaces did not say" in unknown.stderr
    result = json.loads(unknown.stdout)
    assert (result["result"], result["left"]) == ("succeeded", [])
    assert len(result["not_searched"]) == 2


def test_destroy_reports_its_result_if_the_account_cannot_be_read_afterwards(
    project: Project, account: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ApiError("the API answers 500")

    assert project.deploy("up").returncode == 0
    monkeypatch.setattr(destroy, "find_left", fail)
    failed = project.deploy("destroy", "--yes", "--json")
    assert failed.returncode == 1
    result = json.loads(failed.stdout)
    assert (result["result"], result["left"]) == ("succeeded", None)
    assert [change["action"] for change in result["changes"]] == ["deleted"]
    summary, reason = failed.stderr.splitlines()[-2:]
    assert "destroy dev succeeded" in summary
    assert "what is left is unknown: the API answers 500" in reason


def test_prune_asks_before_it_deletes(project: Project, account: AccountApi) -> None:
    assert project.deploy("up").returncode == 0
    assert project.deploy("prune").returncode == 0
    account.things["droplets"] = [body(7, "worker02nyc3", "throwaway-dev-worker")]
    refused = project.deploy("prune")
    assert refused.returncode == 2
    assert "nothing was deleted; give --yes" in refused.stderr
    assert account.deleted == []
    assert project.deploy("prune", "--yes").returncode == 0
    assert account.deleted == ["7"]
    assert project.deploy("drift").returncode == 0


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


def test_token_in_the_configuration_of_the_stack_is_used(
    project: Project, account: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    assert project.deploy("up").returncode == 0, "the program itself says that it has no token"
    assert account.requests == []
    refused = project.deploy("drift")
    assert refused.returncode == 1 and "no API token" in refused.stderr
    project.pulumi("config", "set", "--secret", "digitalocean:token", TOKEN, "--stack", "dev")
    account.things["droplets"] = [body(7, "worker02nyc3", "throwaway-dev-worker")]
    drifted = project.deploy("drift")
    assert drifted.returncode == 3, drifted.stderr
    assert NAMED in drifted.stderr and TOKEN not in drifted.stderr
    # The program prefers the configuration too.
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "of another account")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", "http://127.0.0.1:9")
    project.pulumi("config", "set", "digitalocean:apiEndpoint", account.url, "--stack", "dev")
    assert project.deploy("drift").returncode == 3
