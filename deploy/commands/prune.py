"""``prune``: delete what the account has of the stack and its state does not have."""

import argparse

from deploy import stack
from deploy.commands.command import OK, Command, add_parser
from deploy.errors import UsageError

DESCRIPTION = """\
List what bears the stack's tags or names in the account and is not in its state, ask, and delete it
with all its data. Nothing that is in the state is deleted."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "prune", run, "delete what the account has of the stack, but not its state"
    )
    parser.description = DESCRIPTION
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(command: Command) -> int:
    args, terminal = command.args, command.terminal
    selected = stack.select(command.stack_name, command.pulumi_cli, command.directory)
    assert isinstance(selected.workspace, stack.Workspace)
    found = command.orphans.search(selected.workspace.state)
    terminal.table(
        ("orphan", "id", "name", "USD a month"),
        [(one.kind, one.id, one.name, f"{one.monthly_usd:.2f}") for one in found],
    )
    if (
        found
        and not args.yes
        and not command.is_confirmed(f"Delete these resources of the stack {command.stack_name}?")
    ):
        raise UsageError("nothing was deleted; give --yes, or the stack's name when asked")
    deleted = command.orphans.resolve(selected, "delete", lambda orphan: orphan in found)
    monthly_usd = sum(orphan.monthly_usd for orphan in deleted)
    terminal.line(f"{len(deleted)} deleted: {monthly_usd:.2f} USD a month", "green")
    command.print_json(
        {
            "operation": "prune",
            "stack": command.stack_name,
            "result": "succeeded",
            "deleted": [orphan.as_json() for orphan in deleted],
            "monthly_usd": monthly_usd,
        }
    )
    return OK
