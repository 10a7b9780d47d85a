"""``reset``: delete everything that clients made in a cloud, and keep the cloud."""

import argparse
import sys

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import clouds


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "reset",
        "Delete everything that clients made in a cloud, also after a crash. The cloud keeps its "
        "name, port, accounts and keys.",
    )
    add_cloud(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    for line in clouds.reset(args.cloud):
        print(f"removed: {line}")
    print(f"cloud {args.cloud} is empty", file=sys.stderr)
    return 0
