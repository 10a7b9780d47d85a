"""``make drill``: change and break a running stack under load, and write docs/drills.md."""

import argparse
import os
import signal
import sys

from tests.drills import report
from tests.drills.registry import DRILLS
from tests.drills.runner import Runner, say

REQUEST_COUNT = 10_000
OUTAGE_S = 600.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Raises:
        SystemExit: an argument is wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help="the drills; all if none is named")
    parser.add_argument("--list", action="store_true", help="list the drills and run none")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    parser.add_argument(
        "--requests",
        type=int,
        default=REQUEST_COUNT,
        metavar="N",
        help=f"requests that each drill sends at least (default: {REQUEST_COUNT:,})",
    )
    parser.add_argument(
        "--outage",
        type=float,
        default=OUTAGE_S,
        metavar="SECONDS",
        help=f"how long only-prime-off keeps the prime off (default: {OUTAGE_S:.0f})",
    )
    args = parser.parse_args(arguments)
    if unknown := sorted(set(args.names) - set(DRILLS)):
        parser.error(f"no drill {', '.join(unknown)}; --list shows their names")
    return args


def main() -> int:
    """Run the drills; return 1 if one failed."""
    args = parse()
    drills = [drill for drill in DRILLS.values() if not args.names or drill.name in args.names]
    if args.list:
        for drill in drills:
            print(f"{drill.name:22}{drill.topology!s:22}{drill.summary}")
        return 0
    if os.geteuid() != 0:
        say("drills need root: their machines are containers of this machine")
        return 2
    # A terminated run removes its clouds, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner, outcomes = Runner(args.requests, args.outage), []
    for outcome in runner.run(drills):
        outcomes.append(outcome)
        report.write([outcome], DRILLS)
        for line in report.summarise(outcome):
            say(line)
    if args.json:
        print(report.to_json(outcomes))
    failed = [outcome.drill for outcome in outcomes if outcome.is_failed]
    say(f"failed: {', '.join(failed)}" if failed else "no drill failed")
    return 1 if failed or runner.has_leaked else 0


if __name__ == "__main__":
    sys.exit(main())
