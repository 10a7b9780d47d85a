"""``status``: list the clouds of this machine."""

import argparse
import json
from typing import Any

from rehearsal.commands.arguments import Subparsers, add_command
from rehearsal.lifecycle import configuration, process, recovery
from rehearsal.lifecycle.errors import LifecycleError

ROW = "{cloud:20} {state:9} {machines:7} {api:27} {public}"


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "status",
        "List the clouds of this machine. With --cloud, the exit code is 1 if the cloud is not "
        "up, and 2 if there is no such cloud.",
    )
    parser.add_argument("--cloud", metavar="NAME", help="List only this cloud.")
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    parser.add_argument(
        "--quiet", action="store_true", help="Print nothing; only set the exit code."
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    rows = [_describe(name) for name in recovery.cloud_names() if args.cloud in (None, name)]
    if args.json:
        print(json.dumps(rows, indent=2))
    elif not args.quiet:
        for row in rows:
            print(ROW.format(**row))
    if args.cloud is None:
        return 0
    try:
        configuration.find(args.cloud)
    except LifecycleError as error:
        if not args.quiet:
            raise
        return error.exit_code
    return 0 if rows[0]["up"] else 1


def _describe(name: str) -> dict[str, Any]:
    """Return the facts of one cloud.

    ``state`` is ``up``, ``starting``, ``down`` or ``damaged``. Of a damaged cloud only the
    directory is known; ``down`` removes it.
    """
    config = recovery.load_config(name)
    if config is None:
        unknown = {"machines": "", "api": "", "public": ""}
        return {"cloud": name, "up": False, "state": "damaged", **unknown}
    pid, is_up = process.find_pid(config), process.is_ready(config)
    return {
        "cloud": name,
        "up": is_up,
        "state": "up" if is_up else "down" if pid is None else "starting",
        "machines": config.machines,
        "api": config.api_url,
        "public": str(config.public_network),
        "pid": pid,
        "requests_an_hour": config.requests_an_hour,
        "requests_a_minute": config.requests_a_minute,
        "times": config.times.model_dump(exclude_defaults=True),
    }
