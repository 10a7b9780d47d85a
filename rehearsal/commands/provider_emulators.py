"""``provider-emulators``: install emulators where no official provider plugin is installed."""

import argparse
import sys
from pathlib import Path

from rehearsal.commands.arguments import Subparsers, add_command


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "provider-emulators",
        "Install an emulator for each provider plugin that a Pulumi home lacks, and print their "
        "names.",
    )
    parser.add_argument("home", type=Path, help="The directory that is PULUMI_HOME.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rehearsal.plugins.install import install

    for name in install(args.home, Path(sys.executable)):
        print(name)
    return 0
