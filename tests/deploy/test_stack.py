"""The stack is made without a trace in the settings file, and plain pulumi works with it."""

from pathlib import Path

import pytest

from deploy import stack
from deploy.__main__ import main
from deploy.pulumi_cli import PulumiCli
from tests.deploy.support.throwaway import SETTINGS, Project


def state(project: Project) -> str:
    return (project.directory.parent / "state/.pulumi/stacks/throwaway/dev.json").read_text()


def test_plain_pulumi_works_with_it_and_leaves_the_settings_as_committed(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    assert "correct-horse-battery" not in state(project)
    assert (
        project.pulumi("stack", "output", "password", "--show-secrets", "--stack", "dev").strip()
        == "correct-horse-battery"
    )
    project.pulumi("preview", "--expect-no-changes", "--stack", "dev")
    assert project.settings.read_text() == SETTINGS
    project.mode("other")
    changed = project.settings.read_text()
    project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev")
    assert project.thing.read_text() == "other"
    project.pulumi("destroy", "--refresh", "--yes", "--skip-preview", "--stack", "dev")
    assert not project.thing.exists()
    assert project.settings.read_text() == changed


def test_secrets_are_opened_for_who_asks_for_them(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    engine = PulumiCli(print)
    assert stack.outputs("dev", engine, project.directory) == {
        "url": "http://198.51.100.7/",
        "password": "correct-horse-battery",
    }
    [sealed], [reveal_secrets] = (
        [
            one["outputs"]
            for one in stack.resources("dev", engine, project.directory, secrets=secrets)
            if one["type"] == "pulumi:pulumi:Stack"
        ]
        for secrets in (False, True)
    )
    assert reveal_secrets == {"url": "http://198.51.100.7/", "password": "correct-horse-battery"}
    assert sealed["url"] == reveal_secrets["url"] and "correct-horse-battery" not in str(sealed)


def test_a_stack_that_is_not_there_has_neither_outputs_nor_resources(project: Project) -> None:
    for ask in (stack.outputs, stack.resources):
        with pytest.raises(stack.NoSuchStackError, match="there is no stack dev"):
            ask("dev", PulumiCli(print), project.directory)


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


def test_what_is_no_name_of_a_stack_is_refused(project: Project) -> None:
    for command in (["preview"], ["status"], ["destroy", "--yes"]):
        assert (
            main([command[0], "a b/../c", *command[1:], "--directory", str(project.directory)]) == 2
        )
    assert not list(Path(project.directory.parent, "state").iterdir())


def test_what_was_never_made_cannot_be_destroyed(project: Project) -> None:
    refused = project.deploy("destroy", "--yes")
    assert refused.returncode == 2
    assert "there is no stack dev" in refused.stderr
