"""``account``: create an account of a cloud, or change its limits, and print its credentials."""

import argparse

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import configuration, environment
from rehearsal.lifecycle.errors import UsageError
from rehearsal.state import accounts

LIMITS = {"droplet_limit": "droplets", "reserved_ip_limit": "reserved IPs"}


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "account",
        "Create an account if there is none of that name, and print shell lines with its "
        "credentials. A running cloud accepts them at once.",
    )
    parser.add_argument(
        "name",
        help=f"The name of the account. The account {accounts.DEFAULT_ACCOUNT} always exists.",
    )
    add_cloud(parser)
    for field, plural in LIMITS.items():
        parser.add_argument(
            f"--{field.replace('_', '-')}",
            type=int,
            metavar="N",
            help=f"The number of {plural} that the account may have at a time.",
        )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = configuration.find(args.cloud)
    limits = {field: limit for field in LIMITS if (limit := getattr(args, field)) is not None}
    try:
        account = accounts.create_or_update(config, args.name, limits)
    except ValueError as error:
        raise UsageError(str(error)) from error
    variables = environment.client_variables(accounts.config_for(config, account))
    print(environment.format_exports(variables))
    return 0
