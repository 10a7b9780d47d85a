"""``inside``: serve metadata, DNS, Spaces and releases; run by the cloud itself, in its network namespace."""

import argparse

from rehearsal.config import CloudConfig


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("inside", help="serve inside the cloud's network (the cloud runs this itself)")
    parser.add_argument("--cloud", required=True, metavar="NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from rehearsal import inside

    inside.main(CloudConfig.load(options.cloud))
    return 0
