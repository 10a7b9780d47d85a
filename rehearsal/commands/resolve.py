"""``resolve``: let this machine find buckets by name, for clients that put the bucket into the host name."""

import argparse
import sys

from rehearsal.lifecycle import clouds


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "resolve", help="add buckets' host names to /etc/hosts until the cloud goes down"
    )
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.add_argument("bucket", nargs="+")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        clouds.resolve_buckets(clouds.find(options.cloud), options.bucket)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
