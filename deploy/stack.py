"""The stack that is run: selected where its state is kept, or made there."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import yaml
from pulumi import automation
from pulumi.automation import PulumiCommand
from pulumi.automation.errors import StackNotFoundError

from deploy.pulumi_cli import PulumiCli

CHECKOUT = Path(__file__).resolve().parent.parent
SECRET = "[secret]"
"""What the CLI writes in the place of a secret."""
MARK, IS_SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""The key, and its value, by which the engine tells an object of a state that stands for a secret."""


class UsageError(Exception):
    """What was asked cannot be done as asked; nothing was changed."""


class NoSuchStackError(UsageError):
    """The stack is not in the backend."""


def ensure(name: str, engine: PulumiCli, directory: Path = CHECKOUT) -> automation.Stack:
    """Select the stack ``name`` of the program in ``directory``, made first where it does not exist.

    Where the backend is a directory and ``SLIPWAY_SECRETS_URL`` names a service that keeps secrets as Pulumi Cloud does,
    a new stack's state points there, and ``Pulumi.<stack>.yaml`` stays as it is. Everywhere else it is what
    ``pulumi stack init`` makes.

    Raises:
        UsageError: there is no ``Pulumi.<stack>.yaml``, or the name is none.
        pulumi.automation.CommandError: the backend cannot be reached or refuses.
    """
    settings = directory / f"Pulumi.{_checked(name)}.yaml"
    if not settings.exists():
        raise UsageError(
            f"there is no {settings.name} in {directory}: write it first, it holds the stack's settings"
        )
    workspace = _workspace(engine, directory)
    try:
        return automation.Stack.select(name, workspace)
    except StackNotFoundError:
        keeper = os.environ.get("SLIPWAY_SECRETS_URL")
        backend = urlparse(os.environ.get("PULUMI_BACKEND_URL", ""))
        if keeper and backend.scheme == "file" and not _brings_own_secrets(settings):
            _create_with_keeper(name, engine, directory, Path(unquote(backend.path)), keeper)
            return automation.Stack.select(name, workspace)
        return automation.Stack.create(name, workspace)


def select(name: str, engine: PulumiCli, directory: Path = CHECKOUT) -> automation.Stack:
    """Select a stack that must exist.

    Raises:
        NoSuchStackError: it does not.
    """
    try:
        return automation.Stack.select(_checked(name), _workspace(engine, directory))
    except StackNotFoundError:
        raise _unknown(name) from None


def outputs(name: str, engine: PulumiCli, directory: Path = CHECKOUT) -> dict[str, Any]:
    """The outputs of a stack that must exist, the secret ones in clear: for use in memory, never to be shown.

    Raises:
        NoSuchStackError: it does not exist.
    """
    try:
        answer = engine.run(
            ["stack", "output", "--json", "--show-secrets", "--stack", _checked(name)],
            str(directory),
            {},
        )
    except StackNotFoundError:
        raise _unknown(name) from None
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def resources(
    name: str, engine: PulumiCommand, directory: Path | str = CHECKOUT, *, secrets: bool = False
) -> list[dict[str, Any]]:
    """A stack's resources as its state has them. Their secrets are sealed; with ``secrets`` in clear, for use in memory only.

    Raises:
        NoSuchStackError: it does not exist.
    """
    command = [
        "stack",
        "export",
        "--stack",
        _checked(name),
        *(["--show-secrets"] if secrets else []),
    ]
    try:
        state = json.loads(engine.run(command, str(directory), {}).stdout)
    except StackNotFoundError:
        raise _unknown(name) from None
    found: list[dict[str, Any]] = (state["deployment"] or {}).get("resources", [])
    return reveal_secrets(found) if secrets else found


def reveal_secrets(value: Any) -> Any:
    """``value`` with each secret, of which the CLI writes the JSON beside a mark, in its own place."""
    if isinstance(value, dict):
        if value.get(MARK) == IS_SECRET:
            return reveal_secrets(json.loads(value["plaintext"]))
        return {key: reveal_secrets(one) for key, one in value.items()}
    return [reveal_secrets(one) for one in value] if isinstance(value, list) else value


def project(directory: Path = CHECKOUT) -> str:
    """The project's name, from ``Pulumi.yaml``."""
    return str(yaml.safe_load((directory / "Pulumi.yaml").read_text())["name"])


class _Workspace(automation.LocalWorkspace):
    """Asks for outputs once, secrets left out; the base asks a second time to have the secrets too."""

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        answer = self.pulumi_command.run(
            ["stack", "output", "--json", "--stack", stack_name], self.work_dir, self.env_vars
        )
        known: Mapping[str, Any] = json.loads(answer.stdout)
        return {
            key: automation.OutputValue(value, secret=value == SECRET)
            for key, value in known.items()
        }


def _workspace(engine: PulumiCli, directory: Path) -> automation.LocalWorkspace:
    return _Workspace(work_dir=str(directory), pulumi_command=engine)


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise UsageError(f"{name!r} is no name of a stack: letters, digits, '-', '_' and '.' only")
    return name


def _unknown(name: str) -> NoSuchStackError:
    return NoSuchStackError(
        f"there is no stack {name} in this backend: `python -m deploy up {name}` makes it"
    )


def _brings_own_secrets(settings: Path) -> bool:
    content = yaml.safe_load(settings.read_text()) or {}
    return "encryptionsalt" in content or "secretsprovider" in content


def _create_with_keeper(
    name: str, engine: PulumiCli, directory: Path, backend: Path, keeper: str
) -> None:
    """Make the stack from a project of the same name elsewhere, whose file takes the salt, then name the keeper in its state.

    ``pulumi stack import`` cannot do this: it puts the backend's default in the place of a service.
    """
    named = project(directory)
    with tempfile.TemporaryDirectory() as elsewhere:
        Path(elsewhere, "Pulumi.yaml").write_text(f"name: {named}\nruntime: python\n")
        engine.run(
            ["stack", "init", name, "--no-select"], elsewhere, {"PULUMI_CONFIG_PASSPHRASE": ""}
        )
    file = backend / ".pulumi/stacks" / named / f"{name}.json"
    state = json.loads(file.read_text())
    state["checkpoint"]["latest"]["secrets_providers"] = {
        "type": "service",
        "state": {"url": keeper, "owner": "organization", "project": named, "stack": name},
    }
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(state))
    beside.replace(file)
