"""``shell``: a shell or a command in which Consul's and Nomad's clients use the cluster."""

import argparse

from deploy import shell
from deploy.cluster import operator_access
from deploy.commands.command import Command, add_parser


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers,
        "shell",
        run,
        "run a command, or a shell, in which consul, nomad and curl use the cluster as operator",
        has_json=False,
    )
    parser.add_argument(
        "words",
        metavar="[--] COMMAND",
        nargs=argparse.REMAINDER,
        help="the command (default: a shell)",
    )


def run(command: Command) -> int:
    """Return the exit code of the command."""
    words = command.args.words
    return shell.run(operator_access(command.outputs()), words[words[:1] == ["--"] :])
