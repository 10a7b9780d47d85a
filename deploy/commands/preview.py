"""``preview``: show what ``up`` would change."""

import argparse

from deploy.commands.command import CHANGES, OK, Command, add_parser


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers,
        "preview",
        run,
        "show the risks of the next `up`, and what it would change",
        has_details=True,
    )
    parser.add_argument(
        "--expect-no-changes", action="store_true", help="exit with 3 if there are changes"
    )


def run(command: Command) -> int:
    outcome = command.operate("preview", create=True)
    code = command.report(outcome)
    return CHANGES if code == OK and command.args.expect_no_changes and outcome.changes else code
