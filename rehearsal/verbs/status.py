"""``status``: the clouds of this machine."""

import argparse
import json

from rehearsal import lifecycle
from rehearsal.config import CloudConfig


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("status", help="the clouds of this machine; 1 if the one named is not up")
    parser.add_argument("--cloud", metavar="NAME", help="only this one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="say it by the exit code alone")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    names = [options.cloud] if options.cloud else lifecycle.clouds()
    known = [CloudConfig.load(name) for name in names if name in lifecycle.clouds()]
    rows = [
        {"cloud": cloud.name, "up": lifecycle.answers(cloud), "machines": cloud.machines, "api": cloud.api_url, "public": str(cloud.public)}
        for cloud in known
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not options.quiet:
        for row in rows:
            print(f"{row['cloud']:20}{'up' if row['up'] else 'down':6}{row['machines']:8}{row['api']:28}{row['public']}")
    return 0 if not options.cloud or (rows and rows[0]["up"]) else 1
