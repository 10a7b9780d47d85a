"""``drift``: show what was changed outside Pulumi."""

import argparse

from deploy.commands.command import CHANGES, OK, Command, add_parser


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(
        subparsers,
        "drift",
        run,
        "show what was changed outside Pulumi; exit with 3 if anything was",
        has_details=True,
    )


def run(command: Command) -> int:
    outcome = command.operate("drift")
    code = command.report(outcome)
    return CHANGES if code == OK and outcome.changes else code
