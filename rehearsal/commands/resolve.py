"""``resolve``: make the host names of buckets resolve on this machine."""

import argparse

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import configuration, preparation


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "resolve",
        "Add the host names of buckets to /etc/hosts until the cloud goes down, for clients that "
        "put the bucket into the host name.",
    )
    add_cloud(parser)
    parser.add_argument("bucket", nargs="+", help="The name of a bucket.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    preparation.add_bucket_names(configuration.find(args.cloud), args.bucket)
    return 0
