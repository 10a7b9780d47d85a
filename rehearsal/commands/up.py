"""``up``: bring a cloud up, or find it up, and tell what to set for each client."""

import argparse
import json
import sys
import time
from typing import Any

from rehearsal import times
from rehearsal.lifecycle import clouds
from rehearsal.limits import limit

INTERRUPTED = 130


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("up", help="bring a cloud up, or find it up")
    parser.add_argument(
        "--cloud",
        default="rehearsal",
        metavar="NAME",
        help="several clouds may run side by side (default: %(default)s)",
    )
    parser.add_argument(
        "--machines",
        choices=("nspawn", "memory"),
        help="real machines, or none (default for a new cloud: nspawn)",
    )
    parser.add_argument(
        "--port", type=int, help="loopback port of the API (default for a new cloud: a free one)"
    )
    parser.add_argument(
        "--times",
        metavar="FILE",
        help="seconds that changes take at least: a file, `real`, or `fast` (default for a new cloud)",
    )
    parser.add_argument(
        "--requests-an-hour",
        type=limit,
        metavar="N",
        help="rate limit (default for a new cloud: the real one's)",
    )
    parser.add_argument(
        "--requests-a-minute",
        type=limit,
        metavar="N",
        help="burst limit (default for a new cloud: the real one's)",
    )
    parser.add_argument(
        "--json", action="store_true", help="tell the facts and what to set as JSON"
    )
    parser.add_argument("--quiet", action="store_true", help="do not tell what to set")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    try:
        config = clouds.up(options.cloud, options.machines, options.port, _settings(options))
    except (clouds.LifecycleError, times.TimesError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"interrupted: what was begun of cloud {options.cloud} is ended; a new one is gone, another is as it was",
            file=sys.stderr,
        )
        return INTERRUPTED
    seconds = time.monotonic() - start
    print(
        f"cloud {config.name}: {config.machines} machines, public addresses {config.public}, up in {seconds:.1f} s",
        file=sys.stderr,
    )
    if options.json:
        from rehearsal.lifecycle.environment import client

        facts = {
            "cloud": config.name,
            "machines": config.machines,
            "api": config.api_url,
            "public": str(config.public),
        }
        print(json.dumps({**facts, "environment": client(config)}, indent=2))
    elif not options.quiet:
        from rehearsal.lifecycle.clients import told

        print(told(config))
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given.

    Raises:
        TimesError: the file of times cannot be used
    """
    given = {
        name: getattr(options, name)
        for name in ("requests_an_hour", "requests_a_minute")
        if getattr(options, name) is not None
    }
    if options.times:
        given["times"] = times.Times() if options.times == "fast" else times.read(options.times)
    return given
