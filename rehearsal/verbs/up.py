"""``up``: bring a cloud up, or find it up, and tell what to set for each client."""

import argparse
import sys
import time

from rehearsal import environment, lifecycle


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("up", help="bring a cloud up, or find it up")
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME", help="several clouds may run side by side (default: %(default)s)")
    parser.add_argument("--machines", choices=("nspawn", "memory"), default="nspawn", help="real machines, or none (default: %(default)s)")
    parser.add_argument("--port", type=int, help="loopback port of the API (default: a free one)")
    parser.add_argument("--quiet", action="store_true", help="do not tell what to set")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    try:
        config = lifecycle.up(options.cloud, options.machines, options.port)
    except lifecycle.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    print(f"cloud {config.name}: {config.machines} machines, public addresses {config.public}, up in {seconds:.1f} s", file=sys.stderr)
    if not options.quiet:
        print(environment.as_shell(environment.client(config)))
        print(f"# Packer: api_url = {config.api_url} (its own DIGITALOCEAN_API_URL is read too)")
        print(f'# Pulumi and Packer of this checkout: eval "$({sys.executable} -m rehearsal env --cloud {config.name})"')
    return 0
