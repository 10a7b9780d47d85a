"""``inside``: serve metadata, DNS, Spaces and releases; run by the cloud itself, in its network namespace."""

import argparse
import sys

from rehearsal.lifecycle import clouds


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "inside", help="serve inside the cloud's network (the cloud runs this itself)"
    )
    parser.add_argument("--cloud", required=True, metavar="NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = clouds.find(options.cloud)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    from rehearsal.network import guest_services

    guest_services.main(config)
    return 0
