"""The commands of ``python -m deploy``, one module each."""

import argparse

from deploy.commands import (
    backup,
    destroy,
    drift,
    logs,
    preview,
    prune,
    recover,
    refresh,
    replace,
    restore,
    rotate,
    shell,
    snapshot,
    ssh,
    status,
    up,
    verify,
)

COMMANDS = [
    preview,
    up,
    refresh,
    drift,
    verify,
    status,
    replace,
    recover,
    backup,
    restore,
    snapshot,
    rotate,
    prune,
    destroy,
    ssh,
    logs,
    shell,
]
EXIT_CODES = """\
exit codes:
  0    succeeded, and the stack is as it should be
  1    failed
  2    wrong arguments or settings; nothing was changed
  3    changes were found (drift; preview --expect-no-changes)
  130  interrupted; the steps in progress have ended
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    main_parser = argparse.ArgumentParser(
        prog="python -m deploy",
        description="Run the program of this checkout on a stack.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = main_parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    return main_parser
