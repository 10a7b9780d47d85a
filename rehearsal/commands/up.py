"""``up``: start a cloud if it does not run, and print instructions for each client."""

import argparse
import json
import sys
import time
from typing import Any

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import clouds, process
from rehearsal.lifecycle.errors import UsageError
from rehearsal.limits import parse_request_limit
from rehearsal.times import TimesError, load_times

INTERRUPTED = 130


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "up",
        "Start a cloud if it does not run, and print what clients need to use it. "
        "An existing cloud keeps the settings that are not given.",
    )
    add_cloud(parser, "The name of the cloud; several clouds can run side by side.")
    parser.add_argument(
        "--machines",
        choices=("nspawn", "memory"),
        help="Real machines (needs root), or none. Default for a new cloud: nspawn.",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="The loopback port of the API. Default for a new cloud: a free one.",
    )
    parser.add_argument(
        "--times",
        metavar="FILE",
        help="The minimum durations of changes: a TOML file, `real` for DigitalOcean's, or "
        "`fast`. Default for a new cloud: fast.",
    )
    parser.add_argument(
        "--requests-an-hour",
        type=parse_request_limit,
        metavar="N",
        help="The hourly rate limit per client. Default for a new cloud: DigitalOcean's.",
    )
    parser.add_argument(
        "--requests-a-minute",
        type=parse_request_limit,
        metavar="N",
        help="The burst limit per client and minute. Default for a new cloud: DigitalOcean's.",
    )
    parser.add_argument(
        "--json", action="store_true", help="Print the cloud and the client variables as JSON."
    )
    parser.add_argument(
        "--quiet", action="store_true", help="Do not print instructions for clients."
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    start = time.monotonic()
    try:
        with process.handle_interrupts():
            config = clouds.up(args.cloud, args.machines, args.port, _settings(args), _report)
    except KeyboardInterrupt:
        _report(
            f"interrupted: cloud {args.cloud} does not run; a new cloud is removed, "
            "an existing one keeps its state"
        )
        return INTERRUPTED
    _report(
        f"cloud {config.name} is up: {config.machines} machines, "
        f"public addresses {config.public_network} ({time.monotonic() - start:.1f} s)"
    )
    if args.json:
        from rehearsal.lifecycle.environment import client_variables

        description = {
            "cloud": config.name,
            "machines": config.machines,
            "api": config.api_url,
            "public": str(config.public_network),
            "environment": client_variables(config),
        }
        print(json.dumps(description, indent=2))
    elif not args.quiet:
        from rehearsal.lifecycle.clients import format_instructions

        print(format_instructions(config))
    return 0


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the cloud's settings that were given.

    Raises:
        UsageError: the times file cannot be used.
    """
    given = {
        name: getattr(args, name)
        for name in ("requests_an_hour", "requests_a_minute")
        if getattr(args, name) is not None
    }
    if args.times:
        try:
            given["times"] = load_times(args.times)
        except TimesError as error:
            raise UsageError(str(error)) from error
    return given
