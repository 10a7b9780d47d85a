"""``python -m rehearsal``: the rehearsal cloud's commands, one module each in ``rehearsal.commands``."""

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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal", description="A DigitalOcean cloud on one Linux machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
