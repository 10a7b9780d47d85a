"""``serve``: answer a cloud's API in the foreground."""

import argparse
import sys

from rehearsal.config import CloudConfig
from rehearsal.limits import REAL, Limits


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="answer a cloud's API in the foreground")
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.add_argument("--requests-an-hour", type=int, default=REAL.hour, metavar="N", help="rate limit (default: %(default)s)")
    parser.add_argument("--requests-a-minute", type=int, default=REAL.minute, metavar="N", help="burst limit (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = CloudConfig.load(options.cloud)
    except FileNotFoundError:
        print(f"There is no cloud named {options.cloud}.", file=sys.stderr)
        return 1
    from rehearsal.server import serve

    try:
        serve(config, Limits(hour=options.requests_an_hour, minute=options.requests_a_minute))
    except OSError as error:
        print(f"Port {config.port} cannot be listened on: {error.strerror}.", file=sys.stderr)
        return 1
    return 0
