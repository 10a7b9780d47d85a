"""``stand-ins``: install the stand-ins of provider plugins into a Pulumi home, where no official plugin is."""

import argparse
import sys
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "stand-ins", help="install stand-ins for the provider plugins that a Pulumi home lacks"
    )
    parser.add_argument("home", type=Path, help="the PULUMI_HOME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from rehearsal.plugins.install import install

    for name in install(options.home, Path(sys.executable)):
        print(name)
    return 0
