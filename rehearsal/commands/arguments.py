"""Arguments that several commands share."""

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DEFAULT_CLOUD = "rehearsal"


def add_command(subparsers: Subparsers, name: str, summary: str) -> argparse.ArgumentParser:
    """Add a command to the parser; ``summary`` is one sentence."""
    return subparsers.add_parser(name, help=summary, description=summary)


def add_cloud(parser: argparse.ArgumentParser, help: str = "The name of the cloud.") -> None:
    """Add ``--cloud``."""
    parser.add_argument(
        "--cloud", default=DEFAULT_CLOUD, metavar="NAME", help=f"{help} Default: %(default)s."
    )
