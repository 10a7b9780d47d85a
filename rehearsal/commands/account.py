"""``account``: make an account, or change its limits, and print what to set for a client of it."""

import argparse
import sys

from rehearsal.lifecycle import clouds, environment
from rehearsal.state import accounts

LIMITS = {"droplet_limit": "droplets", "reserved_ip_limit": "reserved IPs"}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "account",
        help="make an account, or find it, and print shell lines for eval; a running cloud knows it at once",
    )
    parser.add_argument(
        "name", help=f"of the account; {accounts.DEFAULT} is there from the beginning"
    )
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    for field, what in LIMITS.items():
        parser.add_argument(
            f"--{field.replace('_', '-')}",
            type=int,
            metavar="N",
            help=f"{what} that it may have at once",
        )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = clouds.find(options.cloud)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    limits = {field: limit for field in LIMITS if (limit := getattr(options, field)) is not None}
    try:
        account = accounts.ensure(config, options.name, limits)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(environment.as_shell(environment.client(accounts.seen_by(config, account))))
    return 0
