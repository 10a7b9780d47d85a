"""``replace``: replace one machine of a running cluster."""

import argparse

from deploy.account import Account
from deploy.commands.command import FAILED, Command, add_parser
from deploy.errors import UsageError
from deploy.machines import Machine, find_machine, list_machines

DESCRIPTION = """\
Replace one machine: the new one joins the cluster, then the old one is drained, leaves and is
deleted. The counter slipway:replace in the stack's file is raised, and an update runs."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "replace", run, "replace one machine of a running cluster", has_details=True
    )
    parser.description = DESCRIPTION
    parser.add_argument("machine", metavar="NAME", help="the droplet, or its slot: worker01")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(command: Command) -> int:
    args = command.args
    machine = find_machine(args.machine, list_machines(command.resources()), command.stack_name)
    if not args.yes and not command.is_confirmed(f"Replace {machine.name}?"):
        raise UsageError("nothing was replaced; give --yes, or the stack's name when asked")
    _require_room(command.account)
    _raise_counter(command, machine)
    outcome = command.operate("up")
    code = command.report(outcome)
    if code == FAILED:
        command.terminal.line(
            f"`python -m deploy up {command.stack_name}` completes the replacement"
        )
    return code


def _require_room(account: Account) -> None:
    """Refuse the replacement if the account may not have one more droplet.

    Raises:
        UsageError: it may not.
        ApiError: the account cannot be read.
    """
    count, limit = account.count_droplets()
    if count >= limit:
        raise UsageError(
            f"nothing was replaced: the new machine is created first, but the account already has "
            f"{count} of {limit} droplets; delete one, or ask DigitalOcean for a higher limit"
        )


def _raise_counter(command: Command, machine: Machine) -> None:
    command.pulumi_cli.run(
        [
            "config",
            "set",
            "--path",
            f"slipway:replace.{machine.slot}",
            str(machine.replacements + 1),
            "--stack",
            command.stack_name,
        ],
        str(command.directory),
        {},
    )
