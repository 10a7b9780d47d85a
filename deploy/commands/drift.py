"""``drift``: show what was changed outside Pulumi, and what only the account has."""

import argparse

from deploy.commands.command import CHANGES, OK, Command, add_parser


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(
        subparsers,
        "drift",
        run,
        "show what was changed outside Pulumi and what only the account has; exit with 3 if "
        "there is anything",
        has_details=True,
    )


def run(command: Command) -> int:
    outcome = command.operate("drift")
    code = command.report(outcome)
    return CHANGES if code == OK and (outcome.changes or outcome.orphans) else code
