"""``inside``: serve metadata, DNS, Spaces and releases; run by the cloud itself, in its network namespace."""

import argparse
import sys

from rehearsal import lifecycle


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("inside", help="serve inside the cloud's network (the cloud runs this itself)")
    parser.add_argument("--cloud", required=True, metavar="NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = lifecycle.find(options.cloud)
    except lifecycle.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    from rehearsal import inside

    inside.main(config)
    return 0
