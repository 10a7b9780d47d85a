"""``status``: show what the stack has now."""

import argparse
import sys

from deploy import status
from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.terminal import Terminal


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(
        subparsers,
        "status",
        run,
        "show droplets, members, jobs, services, checks and the URL",
    )


def run(command: Command) -> int:
    current = status.collect(
        command.stack_name, command.account, command.stack_tags(), command.outputs()
    )
    if not command.args.json:
        status.show(current, Terminal(sys.stdout))
    command.print_json(current)
    return FAILED if current["problems"] else OK
