"""``serve``: serve the API of a cloud in the foreground."""

import argparse
import os
import sys

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import configuration, process
from rehearsal.limits import RateLimits, parse_request_limit


def add(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "serve", "Serve the API of a cloud in the foreground.")
    add_cloud(parser)
    parser.add_argument(
        "--requests-an-hour",
        type=parse_request_limit,
        metavar="N",
        help="The hourly rate limit per client. Default: the cloud's.",
    )
    parser.add_argument(
        "--requests-a-minute",
        type=parse_request_limit,
        metavar="N",
        help="The burst limit per client and minute. Default: the cloud's.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = configuration.find(args.cloud)
    pid = process.find_pid(config)
    if pid not in (None, os.getpid()):
        print(
            f"Port {config.port} is in use: process {pid} serves cloud {config.name} already.",
            file=sys.stderr,
        )
        return 1
    process.record_pid(config)
    from rehearsal.server import serve

    limits = RateLimits(
        per_hour=args.requests_an_hour or config.limits.per_hour,
        per_minute=args.requests_a_minute or config.limits.per_minute,
    )
    try:
        serve(config, limits)
    except OSError as error:
        print(f"Cannot listen on port {config.port}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0
