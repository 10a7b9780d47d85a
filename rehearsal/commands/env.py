"""``env``: shell lines under which plain pulumi, packer and any client work with the cloud."""

import argparse
import sys

from rehearsal.lifecycle import clients, clouds, environment
from rehearsal.state import accounts


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("env", help="print shell lines for eval")
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.add_argument(
        "--account",
        default=accounts.DEFAULT,
        metavar="NAME",
        help="whose token and Spaces keys (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = clouds.find(options.cloud)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        account = accounts.Accounts(config).get(options.account)
    except KeyError:
        print(
            f"there is no account {options.account}: make it with `python -m rehearsal account {options.account}`",
            file=sys.stderr,
        )
        return 1
    print(environment.as_shell(environment.whole(accounts.seen_by(config, account))))
    if config.machines == "memory":
        print(
            clients.as_comment(
                "Spaces", clients.SPACES_WITHOUT_NAMES.format(cloud=config.name).splitlines()
            )
        )
    return 0
