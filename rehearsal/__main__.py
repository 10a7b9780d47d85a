"""``python -m rehearsal``: the commands of the rehearsal cloud, one module each."""

import argparse
import sys

from rehearsal.commands import (
    account,
    down,
    env,
    guest_services,
    provider_emulators,
    reset,
    resolve,
    serve,
    spaces,
    status,
    up,
)
from rehearsal.lifecycle.errors import LifecycleError

COMMANDS = [
    up,
    down,
    reset,
    status,
    env,
    account,
    resolve,
    serve,
    spaces,
    guest_services,
    provider_emulators,
]

DESCRIPTION = """\
Run DigitalOcean's API on this Linux machine, with real machines (nspawn) or none (memory)."""
EXIT_CODES = """\
Exit codes: 0 if the command succeeded, 1 if it failed, 2 if an argument is wrong
(an unknown cloud, for example), and 130 if `up` was interrupted."""


def main(arguments: list[str]) -> int:
    """Run the command in ``arguments`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    args = parser.parse_args(arguments)
    try:
        code: int = args.run(args)
    except LifecycleError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
