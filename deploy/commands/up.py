"""``up``: make the stack what the program says."""

import argparse

from deploy.commands.command import Command, add_parser


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(subparsers, "up", run, "make the stack what the program says", has_details=True)


def run(command: Command) -> int:
    return command.report(command.operate("up", create=True))
