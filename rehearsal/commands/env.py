"""``env``: print shell lines with which pulumi, packer and other clients use a cloud."""

import argparse

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import clients, configuration, environment
from rehearsal.lifecycle.errors import UsageError
from rehearsal.state import accounts


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "env",
        "Print shell lines for `eval`, with which pulumi, packer and other clients use the cloud.",
    )
    add_cloud(parser)
    parser.add_argument(
        "--account",
        default=accounts.DEFAULT_ACCOUNT,
        metavar="NAME",
        help="The account whose token and Spaces keys are printed. Default: %(default)s.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = configuration.find(args.cloud)
    try:
        account = accounts.Accounts(config).get(args.account)
    except KeyError:
        raise UsageError(
            f"there is no account {args.account}: create it with "
            f"`python -m rehearsal account {args.account} --cloud {args.cloud}`"
        ) from None
    variables = environment.all_variables(accounts.config_for(config, account))
    print(environment.format_exports(variables))
    if config.machines == "memory":
        print(clients.format_comment("Spaces", clients.spaces_note(config)))
    return 0
