"""What all commands share: arguments, access to the stack, results and exit codes."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi import automation

from deploy import lost_resources, operation, stack
from deploy.account import Account
from deploy.operation import Outcome
from deploy.orphans.kinds import CloudResource
from deploy.orphans.resolve import FOUND_AGAIN, NEVER_MADE, Orphans
from deploy.orphans.spaces import Spaces
from deploy.progress.report import show_plan
from deploy.pulumi_cli import PulumiCli
from deploy.serving import show as show_serving
from deploy.serving import wait_until_serving
from deploy.stack import State, Workspace
from deploy.terminal import Terminal
from infra import digitalocean_api, names
from infra.digitalocean_api import DigitalOceanApi, MissingTokenError

OK, FAILED, USAGE, CHANGES, INTERRUPTED = 0, 1, 2, 3, 130
RESULT_WORDS = {"cancelled": "interrupted"}
"""How people read a result; others are shown as they are."""
RUNNING_PROGRAM: tuple[operation.Operation, ...] = ("preview", "up", "rotate", "restore")
DELETING: tuple[operation.Operation, ...] = ("up", "rotate", "restore", "destroy")
"""Operations that first delete orphans, and remove deleted resources from the state."""


@dataclass
class Command:
    """One run of a command on a stack."""

    args: argparse.Namespace
    terminal: Terminal

    @cached_property
    def pulumi_cli(self) -> PulumiCli:
        return PulumiCli(self.terminal.line)

    @property
    def directory(self) -> Path:
        directory: Path = self.args.directory
        return directory

    @property
    def stack_name(self) -> str:
        return str(self.args.stack)

    @property
    def prefix(self) -> str:
        """The start of the stack's names and tags."""
        return names.stack_prefix(stack.project(self.directory), self.stack_name)

    def stack_tags(self) -> list[str]:
        """Return the tags of the stack's droplets."""
        return names.role_tags(self.prefix)

    @cached_property
    def orphans(self) -> Orphans:
        """The search for what the account has of the stack and its state does not have."""
        region = stack.setting(self.directory, self.stack_name, "region")
        return Orphans(self.api, Spaces(self.setting), self.prefix, region, self.terminal)

    @cached_property
    def api(self) -> DigitalOceanApi:
        """A client with the token and URL that the program uses.

        Raises:
            MissingTokenError: there is no token.
        """
        return digitalocean_api.connect(self.setting)

    @property
    def account(self) -> Account:
        """The account. Without a backend, ``ssh`` and ``logs`` use the environment's token."""
        try:
            return Account(self.api)
        except automation.CommandError:
            return Account(digitalocean_api.connect())

    @cached_property
    def _config(self) -> dict[str, str]:
        return stack.config(self.stack_name, self.pulumi_cli, self.directory)

    def setting(self, key: str) -> str | None:
        """Return a value that the stack's configuration has for the DigitalOcean provider."""
        return self._config.get(f"digitalocean:{key}")

    def state(self) -> State:
        return stack.read_state(self.stack_name, self.pulumi_cli, self.directory)

    def outputs(self) -> dict[str, Any]:
        return stack.outputs(self.stack_name, self.pulumi_cli, self.directory)

    def resources(self) -> list[dict[str, Any]]:
        return stack.resources(self.stack_name, self.pulumi_cli, self.directory)

    def select(self, name: operation.Operation, *, create: bool = False) -> automation.Stack:
        """Return the stack for an operation, with its state.

        Args:
            create: create the stack if it does not exist.
        """
        self.terminal.line(f"{name} {self.stack_name}: reading the state")
        get = stack.ensure if create else stack.select
        return get(self.stack_name, self.pulumi_cli, self.directory)

    def operate(
        self,
        name: operation.Operation,
        *,
        create: bool = False,
        replace: Sequence[str] = (),
        selected: automation.Stack | None = None,
    ) -> Outcome:
        """Run an operation of the engine.

        Orphans are deleted first, or shown if the operation is not one of ``DELETING``. What was
        deleted by hand leaves the state.

        Args:
            create: create the stack if it does not exist.
            replace: URNs of resources to replace.
            selected: the stack, if its state was just read.
        """
        selected = selected or self.select(name, create=create)
        try:
            orphans = self._resolve_orphans(name, selected)
        except MissingTokenError:
            if name not in RUNNING_PROGRAM:
                raise
            orphans = []  # The program names all problems of the settings.
        outcome = operation.run(
            name,
            selected,
            self.pulumi_cli,
            self.terminal,
            replace,
            # A pending create shows that this stack made an orphan.
            clear_pending_creates=not orphans,
        )
        outcome = replace_fields(outcome, orphans=tuple(orphan.as_json() for orphan in orphans))
        if name in operation.PREVIEWS:
            show_plan(outcome.changes, outcome.risks, self.terminal)
        if name in operation.UPDATES and outcome.result == "succeeded":
            outcome = self._with_serving(outcome)
        return outcome

    def _resolve_orphans(
        self, name: operation.Operation, selected: automation.Stack
    ) -> list[CloudResource]:
        """Return the orphans, which are deleted if the operation is one of ``DELETING``."""
        assert isinstance(selected.workspace, Workspace)
        if name not in DELETING:
            orphans = self.orphans.search(selected.workspace.state)
            self.show_orphans(orphans)
            return orphans
        is_destroy = name == "destroy"
        kept = NEVER_MADE if is_destroy else NEVER_MADE + FOUND_AGAIN
        orphans = self.orphans.resolve(
            selected,
            "keep" if is_destroy else "refuse",
            lambda orphan: orphan.kind not in kept,
        )
        lost_resources.forget(selected, self.orphans.account, self.terminal)
        return orphans

    def show_orphans(self, orphans: Sequence[CloudResource]) -> None:
        """Name the orphans, and the commands that delete them."""
        for orphan in orphans:
            self.terminal.line(f"{orphan} is in the account but not in the state", "yellow")
        if orphans:
            self.terminal.line(
                f"`python -m deploy up {self.stack_name}` uses or deletes what it has made; "
                f"`python -m deploy prune {self.stack_name}` deletes all of them",
                "yellow",
            )

    def _with_serving(self, outcome: Outcome) -> Outcome:
        """Return the outcome of an update, failed if a job is short or the URL does not answer."""
        state = stack.resources(self.stack_name, self.pulumi_cli, self.directory, secrets=True)
        serving = wait_until_serving(state)
        result: operation.Result = "failed" if serving.failures else outcome.result
        return replace_fields(outcome, result=result, failures=serving.failures, serving=serving)

    def report(self, outcome: Outcome, **additions: Any) -> int:
        """Show the end of an operation; return its exit code."""
        terminal = self.terminal
        for failure in outcome.failures:
            terminal.text(failure.as_text(), "yellow" if outcome.result == "cancelled" else "red")
        result = RESULT_WORDS.get(outcome.result, outcome.result)
        terminal.line(
            f"{outcome.operation} {outcome.stack} {result}: {outcome.summary()}",
            "green" if outcome.result == "succeeded" else "red",
        )
        outputs = outcome.outputs if terminal.is_verbose else {}
        for name, value in sorted(outputs.items()):
            if name != "url":
                terminal.text(f"  {name}: {value if isinstance(value, str) else json.dumps(value)}")
        show_serving(outcome.serving, terminal)
        if url := outcome.outputs.get("url"):
            terminal.text(f"  url: {url}")
        self.print_json(outcome.as_json() | additions)
        if outcome.result == "succeeded":
            return OK
        if outcome.result == "cancelled":
            return INTERRUPTED
        is_usage = any(failure.is_wrong_settings for failure in outcome.failures)
        return USAGE if is_usage else FAILED

    def print_json(self, result: dict[str, Any]) -> None:
        """Print the result on standard output if the user asked for JSON."""
        if self.args.json:
            print(json.dumps(result, indent=2))

    def fail(self, message: str, code: int) -> int:
        """Show why the command failed; return ``code``."""
        message = self.terminal.hide(message)
        self.terminal.text(f"{self.args.name} {self.stack_name}: {message}", "red")
        self.print_json(
            {
                "operation": self.args.name,
                "stack": self.stack_name,
                "result": "failed",
                "failures": [{"message": message}],
            }
        )
        return code

    def is_confirmed(self, question: str) -> bool:
        """Ask on a terminal for the stack's name; return whether the user gave it."""
        return sys.stdin.isatty() and input(f"{question} Its name: ") == self.stack_name


def add_parser(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[Command], int],
    text: str,
    *,
    has_json: bool = True,
    has_details: bool = False,
) -> argparse.ArgumentParser:
    """Add the parser of one command, with the arguments that all commands have."""
    parser = subparsers.add_parser(name, help=text, description=text)
    parser.add_argument("stack", help="the stack; its settings are in Pulumi.STACK.yaml")
    parser.set_defaults(json=False, verbose=False, run=run, name=name)
    if has_json:
        parser.add_argument(
            "--json",
            action="store_true",
            help="print the result as JSON on standard output; progress is on standard error",
        )
    if has_details:
        parser.add_argument(
            "--verbose", action="store_true", help="show every resource and every output"
        )
    parser.add_argument(
        "--directory",
        type=Path,
        default=stack.CHECKOUT,
        help="where Pulumi.yaml is (default: this checkout)",
    )
    return parser
