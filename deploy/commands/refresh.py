"""``refresh``: update the state with what was changed outside Pulumi."""

import argparse

from deploy.commands.command import Command, add_parser


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(
        subparsers,
        "refresh",
        run,
        "update the state with what was changed outside Pulumi",
        has_details=True,
    )


def run(command: Command) -> int:
    return command.report(command.operate("refresh"))
