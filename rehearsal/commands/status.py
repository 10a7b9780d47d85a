"""``status``: the clouds of this machine."""

import argparse
import json
import sys
from typing import Any

from rehearsal.lifecycle import clouds, process, recovery


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "status", help="the clouds of this machine; 1 if the one named is not up"
    )
    parser.add_argument("--cloud", metavar="NAME", help="only this one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="say it by the exit code alone")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    rows = [_row(name) for name in recovery.names() if options.cloud in (None, name)]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not options.quiet:
        for row in rows:
            print("{cloud:20} {state:9} {machines:7} {api:27} {public}".format(**row))
    if options.cloud and not options.quiet:
        try:
            clouds.find(options.cloud)
        except clouds.LifecycleError as error:
            print(error, file=sys.stderr)
    return 0 if not options.cloud or (rows and rows[0]["up"]) else 1


def _row(name: str) -> dict[str, Any]:
    """``state`` is up, starting, down, or damaged: then nothing but the directory is known, and ``down`` removes it."""
    config = recovery.load(name)
    if config is None:
        return {
            "cloud": name,
            "up": False,
            "state": "damaged",
            "machines": "",
            "api": "",
            "public": "",
        }
    pid, up = process.pid(config), process.answers(config)
    state = "up" if up else "down" if pid is None else "starting"
    limits = {
        "requests_an_hour": config.requests_an_hour,
        "requests_a_minute": config.requests_a_minute,
    }
    facts = {
        "machines": config.machines,
        "api": config.api_url,
        "public": str(config.public),
        "pid": pid,
    }
    return {
        "cloud": name,
        "up": up,
        "state": state,
        **facts,
        **limits,
        "times": config.times.model_dump(exclude_defaults=True),
    }
