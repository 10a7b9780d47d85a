"""The stack is made without a trace in the settings file, and plain pulumi works with it."""

from pathlib import Path

from tests.deploy.throwaway import SETTINGS, Project


def state(project: Project) -> str:
    return (project.directory.parent / "state/.pulumi/stacks/throwaway/dev.json").read_text()


def test_settings_stay_as_committed_through_everything(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    project.pulumi("preview", "--stack", "dev")
    project.pulumi("up", "--yes", "--stack", "dev")
    project.pulumi("refresh", "--yes", "--stack", "dev")
    project.pulumi("destroy", "--yes", "--stack", "dev")
    assert project.settings.read_text() == SETTINGS


def test_secrets_are_sealed_in_the_state_and_opened_by_the_service(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    assert "correct-horse-battery" not in state(project)
    assert project.pulumi("stack", "output", "password", "--show-secrets", "--stack", "dev").strip() == "correct-horse-battery"


def test_changed_settings_are_seen_by_plain_pulumi(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    project.mode("other")
    project.pulumi("up", "--yes", "--stack", "dev")
    assert project.thing.read_text() == "other"


def test_settings_with_a_salt_of_their_own_are_respected(project: Project) -> None:
    project.pulumi("stack", "init", "dev")
    with_salt = project.settings.read_text()
    assert "encryptionsalt" in with_salt
    project.pulumi("stack", "rm", "dev", "--yes", "--preserve-config")
    assert project.deploy("up").returncode == 0
    assert '"type":"passphrase"' in state(project)
    assert project.settings.read_text() == with_salt


def test_a_stack_without_settings_is_refused(project: Project) -> None:
    project.settings.unlink()
    refused = project.deploy("up")
    assert refused.returncode == 2
    assert "Pulumi.dev.yaml" in refused.stderr
    assert not list(Path(project.directory.parent, "state").iterdir())


def test_what_was_never_made_cannot_be_destroyed(project: Project) -> None:
    refused = project.deploy("destroy", "--yes")
    assert refused.returncode == 2
    assert "there is no stack dev" in refused.stderr
