"""``guest-services``: serve metadata, DNS, Spaces and releases in the cloud's network namespace."""

import argparse

from rehearsal.commands.arguments import Subparsers, add_command
from rehearsal.lifecycle import configuration


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "guest-services",
        "Serve metadata, DNS, Spaces and releases in the cloud's network namespace. "
        "The cloud runs this command itself.",
    )
    parser.add_argument("--cloud", required=True, metavar="NAME", help="The name of the cloud.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = configuration.find(args.cloud)
    from rehearsal.network import guest_services

    guest_services.serve(config)
    return 0
