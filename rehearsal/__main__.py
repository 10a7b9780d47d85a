"""``python -m rehearsal``: the rehearsal cloud's commands, one module each in ``rehearsal.verbs``."""

import argparse
import sys

from rehearsal.verbs import account, down, env, inside, reset, resolve, serve, spaces, stand_ins, status, up

COMMANDS = [up, down, reset, status, env, account, resolve, serve, spaces, inside, stand_ins]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description="A DigitalOcean cloud on one Linux machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
