"""``reset``: empty a cloud of all that clients made in it, and keep the cloud."""

import argparse
import sys

from rehearsal.lifecycle import clouds


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "reset", help="empty a cloud; its name, port, accounts and keys stay; also after a crash"
    )
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        removed = clouds.reset(options.cloud)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    for line in removed:
        print(f"removed: {line}")
    print(f"cloud {options.cloud} is empty", file=sys.stderr)
    return 0
