"""The stack of an operation: found in the backend, or created there."""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import yaml
from pulumi import automation
from pulumi.automation import PulumiCommand
from pulumi.automation.errors import StackNotFoundError

from deploy.errors import NoSuchStackError, StackFormatError, UsageError
from deploy.pulumi_cli import PulumiCli
from infra.settings import Settings
from infra.state_format import STATE_FORMAT

CHECKOUT = Path(__file__).resolve().parent.parent
SECRET = "[secret]"
"""What the CLI prints instead of a secret."""
SECRET_SIGNATURE, IS_SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""The key and value by which the engine marks an object as a secret."""
STACK_TYPE = "pulumi:pulumi:Stack"
DROPLET_TYPE = "digitalocean:index/droplet:Droplet"


@dataclass(frozen=True, kw_only=True)
class State:
    """What the state of a stack has."""

    resources: list[dict[str, Any]]
    pending_creates: list[dict[str, Any]]
    """Resources whose creation has started and has no result: the update still runs, or it was
    killed."""
    pending_changes: list[str] = field(default_factory=list)
    """URNs of the resources whose update or deletion has started and has no result."""


class Workspace(automation.LocalWorkspace):
    """A workspace that leaves the selected stack of plain ``pulumi`` alone.

    ``state`` is the state as it was when the stack was found.
    """

    def __init__(self, directory: Path, pulumi_cli: PulumiCli) -> None:
        super().__init__(work_dir=str(directory), pulumi_command=pulumi_cli)
        self.state = State(resources=[], pending_creates=[])

    def select_stack(self, stack_name: str) -> None:
        self.state = read_state(stack_name, self.pulumi_command, self.work_dir)

    def create_stack(self, stack_name: str) -> None:
        self.pulumi_command.run(
            ["stack", "init", stack_name, "--no-select"], self.work_dir, self.env_vars
        )

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """Return the outputs without their secrets; the base class asks twice to have them."""
        result = self.pulumi_command.run(
            ["stack", "output", "--json", "--stack", stack_name], self.work_dir, self.env_vars
        )
        values: Mapping[str, Any] = json.loads(result.stdout)
        return {
            key: automation.OutputValue(value, secret=value == SECRET)
            for key, value in values.items()
        }


def ensure(name: str, pulumi_cli: PulumiCli, directory: Path = CHECKOUT) -> automation.Stack:
    """Return the stack ``name`` of the program in ``directory``; create it if it does not exist.

    If the backend is a directory and ``SLIPWAY_SECRETS_URL`` names a service that keeps secrets as
    Pulumi Cloud does, a new stack uses that service, and ``Pulumi.<stack>.yaml`` is not changed.
    Otherwise a new stack is what ``pulumi stack init`` creates.

    Raises:
        UsageError: ``Pulumi.<stack>.yaml`` does not exist, or the name is invalid.
        StackFormatError: another version of the program created the stack.
        pulumi.automation.CommandError: the backend cannot be reached or refuses.
    """
    settings_file = directory / f"Pulumi.{_valid(name)}.yaml"
    if not settings_file.exists():
        raise UsageError(
            f"{settings_file.name} does not exist in {directory}; "
            "write it first, it holds the stack's settings"
        )
    workspace = Workspace(directory, pulumi_cli)
    try:
        return automation.Stack.select(name, workspace)
    except NoSuchStackError:
        secrets_url = os.environ.get("SLIPWAY_SECRETS_URL")
        backend = urlparse(os.environ.get("PULUMI_BACKEND_URL", ""))
        if secrets_url and backend.scheme == "file" and not _has_own_secrets(settings_file):
            _create_with_secrets_service(
                name, pulumi_cli, directory, Path(unquote(backend.path)), secrets_url
            )
            return automation.Stack.select(name, workspace)
        return automation.Stack.create(name, workspace)


def state_of(selected: automation.Stack) -> State:
    """Return the state as it was when the stack was found."""
    assert isinstance(selected.workspace, Workspace)
    return selected.workspace.state


def select(name: str, pulumi_cli: PulumiCli, directory: Path = CHECKOUT) -> automation.Stack:
    """Return a stack that must exist.

    Raises:
        NoSuchStackError: it does not exist.
        StackFormatError: another version of the program created it.
    """
    return automation.Stack.select(_valid(name), Workspace(directory, pulumi_cli))


def outputs(name: str, pulumi_cli: PulumiCli, directory: Path = CHECKOUT) -> dict[str, Any]:
    """Return the outputs of a stack that must exist, with secrets in plain text.

    They are for use in memory only.

    Raises:
        NoSuchStackError: the stack does not exist.
        StackFormatError: another version of the program created it.
    """
    try:
        result = pulumi_cli.run(
            ["stack", "output", "--json", "--show-secrets", "--stack", _valid(name)],
            str(directory),
            {},
        )
    except StackNotFoundError:
        raise _no_such_stack(name) from None
    values: dict[str, Any] = json.loads(result.stdout)
    check_format(name, values)
    return values


def resources(
    name: str, pulumi_cli: PulumiCommand, directory: Path | str = CHECKOUT, *, secrets: bool = False
) -> list[dict[str, Any]]:
    """Return the resources of a stack's state; see ``read_state``."""
    return read_state(name, pulumi_cli, directory, secrets=secrets).resources


def read_state(
    name: str, pulumi_cli: PulumiCommand, directory: Path | str = CHECKOUT, *, secrets: bool = False
) -> State:
    """Return the state of a stack.

    Args:
        secrets: with secrets in plain text, for use in memory only; otherwise they are encrypted.

    Raises:
        NoSuchStackError: the stack does not exist.
        StackFormatError: another version of the program created it.
    """
    command = [
        "stack",
        "export",
        "--stack",
        _valid(name),
        *(["--show-secrets"] if secrets else []),
    ]
    try:
        exported = json.loads(pulumi_cli.run(command, str(directory), {}).stdout)
    except StackNotFoundError:
        raise _no_such_stack(name) from None
    deployment = exported["deployment"] or {}
    found: list[dict[str, Any]] = deployment.get("resources", [])
    check_format(name, root_outputs(found))
    operations = deployment.get("pending_operations") or ()
    pending = [operation["resource"] for operation in operations if operation["type"] == "creating"]
    return State(
        resources=reveal_secrets(found) if secrets else found,
        pending_creates=reveal_secrets(pending) if secrets else pending,
        pending_changes=[
            operation["resource"]["urn"]
            for operation in operations
            if operation["type"] != "creating"
        ],
    )


def root_outputs(resources: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the stack outputs among the resources of a state; empty without any."""
    return next((item for item in resources if item["type"] == STACK_TYPE), {}).get("outputs") or {}


def config(name: str, pulumi_cli: PulumiCommand, directory: Path | str) -> dict[str, str]:
    """Return the configuration of a stack, with secrets in plain text, for use in memory only.

    Raises:
        NoSuchStackError: the stack does not exist.
    """
    command = ["config", "--json", "--show-secrets", "--stack", _valid(name)]
    try:
        values = json.loads(pulumi_cli.run(command, str(directory), {}).stdout)
    except StackNotFoundError:
        raise _no_such_stack(name) from None
    return {key: str(entry.get("value", "")) for key, entry in values.items()}


def check_format(name: str, outputs: Mapping[str, Any]) -> None:
    """Refuse the outputs of a stack that another version of the program created.

    A stack without outputs has none of the resources that depend on the version.

    Raises:
        StackFormatError: the output ``format`` is not ``STATE_FORMAT``.
    """
    if outputs and outputs.get("format") != STATE_FORMAT:
        raise StackFormatError(
            f"another version of the program created the stack {name} (its format is "
            f"{outputs.get('format', 'missing')}, this version needs {STATE_FORMAT}): "
            "run `destroy` with the version that created it, then `up` with this one"
        )


def reveal_secrets(value: Any) -> Any:
    """Return ``value`` with each secret's plain text in the place of the engine's object for it."""
    if isinstance(value, dict):
        if value.get(SECRET_SIGNATURE) == IS_SECRET:
            return reveal_secrets(json.loads(value["plaintext"]))
        return {key: reveal_secrets(item) for key, item in value.items()}
    return [reveal_secrets(item) for item in value] if isinstance(value, list) else value


def project(directory: Path | str = CHECKOUT) -> str:
    """Return the project's name, from ``Pulumi.yaml``."""
    return str(yaml.safe_load(Path(directory, "Pulumi.yaml").read_text())["name"])


def expected_machines(directory: Path | str, name: str) -> int:
    """Return how many droplets the settings ask for; 0 if they do not say it in numbers."""
    counts = [setting(directory, name, role) for role in ("primes", "workers")]
    return sum(map(int, counts)) if all(count.isdecimal() for count in counts) else 0


def setting(directory: Path | str, name: str, field: str) -> str:
    """Return a setting as the stack's file has it, or else its default."""
    settings_file = Path(directory, f"Pulumi.{name}.yaml")
    content = yaml.safe_load(settings_file.read_text()) if settings_file.exists() else None
    config = (content or {}).get("config") or {}
    return str(config.get(f"{project(directory)}:{field}", Settings.model_fields[field].default))


def _valid(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise UsageError(
            f"{name!r} is not a valid stack name; use letters, digits, '-', '_' and '.'"
        )
    return name


def _no_such_stack(name: str) -> NoSuchStackError:
    return NoSuchStackError(
        f"there is no stack {name} in this backend; `python -m deploy up {name}` creates it"
    )


def _has_own_secrets(settings_file: Path) -> bool:
    content = yaml.safe_load(settings_file.read_text()) or {}
    return "encryptionsalt" in content or "secretsprovider" in content


def _create_with_secrets_service(
    name: str, pulumi_cli: PulumiCli, directory: Path, backend: Path, secrets_url: str
) -> None:
    """Create the stack and name the secrets service in its state.

    ``stack init`` writes a salt into the settings file, so it runs in a temporary project of the
    same name. ``stack import`` replaces a secrets service with the backend's default, so the state
    file is written directly.
    """
    project_name = project(directory)
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary, "Pulumi.yaml").write_text(f"name: {project_name}\nruntime: python\n")
        pulumi_cli.run(
            ["stack", "init", name, "--no-select"], temporary, {"PULUMI_CONFIG_PASSPHRASE": ""}
        )
    file = backend / ".pulumi/stacks" / project_name / f"{name}.json"
    state = json.loads(file.read_text())
    state["checkpoint"]["latest"]["secrets_providers"] = {
        "type": "service",
        "state": {
            "url": secrets_url,
            "owner": "organization",
            "project": project_name,
            "stack": name,
        },
    }
    replacement = file.with_suffix(".new")
    replacement.write_text(json.dumps(state))
    replacement.replace(file)
