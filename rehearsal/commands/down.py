"""``down``: remove a cloud with all that is in it, and check that nothing is left."""

import argparse
import sys
import time

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import clouds


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "down",
        "Remove a cloud with everything in it, also after a crash, and check that nothing of it "
        "is left on this machine. A cloud that does not exist counts as removed.",
    )
    add_cloud(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    start = time.monotonic()
    leaks = clouds.down(args.cloud, report=lambda message: print(message, file=sys.stderr))
    if leaks:
        print(f"cloud {args.cloud} left behind:", file=sys.stderr)
        for leak in leaks:
            print(f"  {leak}", file=sys.stderr)
        return 1
    print(
        f"cloud {args.cloud} is down: no process, namespace, link, mount, cgroup or file is left "
        f"({time.monotonic() - start:.1f} s)",
        file=sys.stderr,
    )
    return 0
