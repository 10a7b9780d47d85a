"""``serve``: answer a cloud's API in the foreground."""

import argparse
import os
import sys

from rehearsal.lifecycle import clouds, process
from rehearsal.limits import Limits, limit


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="answer a cloud's API in the foreground")
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.add_argument(
        "--requests-an-hour", type=limit, metavar="N", help="rate limit (default: the cloud's)"
    )
    parser.add_argument(
        "--requests-a-minute", type=limit, metavar="N", help="burst limit (default: the cloud's)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = clouds.find(options.cloud)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    other = process.pid(config)
    if other not in (None, os.getpid()):
        print(
            f"Port {config.port} is in use: process {other} serves cloud {config.name} already.",
            file=sys.stderr,
        )
        return 1
    process.claim(config)
    from rehearsal.server import serve

    limits = Limits(
        hour=options.requests_an_hour or config.limits.hour,
        minute=options.requests_a_minute or config.limits.minute,
    )
    try:
        serve(config, limits)
    except OSError as error:
        print(f"Port {config.port} cannot be listened on: {error.strerror}.", file=sys.stderr)
        return 1
    return 0
