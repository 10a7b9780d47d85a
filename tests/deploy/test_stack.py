"""A stack is created without changing its settings file, and plain pulumi works with it."""

import os
from pathlib import Path

import pytest

from deploy import errors, stack
from deploy.__main__ import main
from deploy.pulumi_cli import PulumiCli
from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import SETTINGS, Project


def state(project: Project) -> str:
    return (project.directory.parent / "state/.pulumi/stacks/throwaway/dev.json").read_text()


def test_plain_pulumi_works_with_the_stack_and_keeps_the_settings_file(project: Project) -> None:
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
    assert project.file.read_text() == "other"
    project.pulumi("destroy", "--refresh", "--yes", "--skip-preview", "--stack", "dev")
    assert not project.file.exists()
    assert project.settings.read_text() == changed


def test_secrets_are_revealed_only_on_request(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    pulumi_cli = PulumiCli(print)
    expected = {
        "url": "http://198.51.100.7/",
        "password": "correct-horse-battery",
        "format": STATE_FORMAT,
    }
    assert stack.outputs("dev", pulumi_cli, project.directory) == expected
    [encrypted], [revealed] = (
        [
            resource["outputs"]
            for resource in stack.resources("dev", pulumi_cli, project.directory, secrets=secrets)
            if resource["type"] == "pulumi:pulumi:Stack"
        ]
        for secrets in (False, True)
    )
    assert revealed == expected
    assert encrypted["url"] == revealed["url"]
    assert "correct-horse-battery" not in str(encrypted)


def test_a_missing_stack_has_neither_outputs_nor_resources(project: Project) -> None:
    for read in (stack.outputs, stack.resources):
        with pytest.raises(errors.NoSuchStackError, match="there is no stack dev"):
            read("dev", PulumiCli(print), project.directory)


def test_a_salt_in_the_settings_file_is_used(project: Project) -> None:
    project.pulumi("stack", "init", "dev")
    with_salt = project.settings.read_text()
    assert "encryptionsalt" in with_salt
    project.pulumi("stack", "rm", "dev", "--yes", "--preserve-config")
    assert project.deploy("up").returncode == 0
    assert '"type":"passphrase"' in state(project)
    assert project.settings.read_text() == with_salt


def test_a_stack_without_a_settings_file_is_refused(project: Project) -> None:
    project.settings.unlink()
    refused = project.deploy("up")
    assert refused.returncode == 2
    assert "Pulumi.dev.yaml" in refused.stderr
    assert not list(Path(project.directory.parent, "state").iterdir())


def test_an_invalid_stack_name_is_refused(project: Project) -> None:
    for command in (["preview"], ["status"], ["destroy", "--yes"]):
        assert (
            main([command[0], "a b/../c", *command[1:], "--directory", str(project.directory)]) == 2
        )
    assert not list(Path(project.directory.parent, "state").iterdir())


def test_a_missing_stack_cannot_be_destroyed(project: Project) -> None:
    refused = project.deploy("destroy", "--yes")
    assert refused.returncode == 2
    assert "there is no stack dev" in refused.stderr


def test_damaged_attributes_of_the_state_are_named_with_the_remedy(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the engine writes the state leaves the file of attributes empty."""
    assert project.deploy("up").returncode == 0
    attributes = project.directory.parent / "state/.pulumi/stacks/throwaway/dev.json.attrs"
    attributes.write_text("")
    failed = project.deploy("up")
    assert failed.returncode == 1
    assert "damaged dev.json.attrs" in failed.stderr and "?metadata=skip" in failed.stderr
    attributes.unlink()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"{os.environ['PULUMI_BACKEND_URL']}?metadata=skip")
    project.mode("better")
    assert project.deploy("up").returncode == 0
    assert not attributes.exists()
