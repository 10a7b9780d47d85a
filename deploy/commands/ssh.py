"""``ssh``: a shell or a command on a droplet."""

import argparse
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from deploy import foreground, ssh
from deploy.account import Droplet
from deploy.commands.command import Command, add_parser
from deploy.errors import UsageError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers,
        "ssh",
        run,
        "open a shell on a droplet, or run a command there, as ops, who may use sudo",
        has_json=False,
    )
    parser.add_argument("target", metavar="NAME", nargs="?", default="", help="the droplet")
    parser.add_argument(
        "words", metavar="COMMAND", nargs=argparse.REMAINDER, help="the command (default: a shell)"
    )


def run(command: Command) -> int:
    """Return the remote command's exit code, or 255 if ssh itself failed."""
    droplets = droplets_of(command)
    target = command.args.target
    if target not in droplets:
        raise unknown_target(target, "droplet", droplets)
    return run_on_droplet(command, droplets[target], command.args.words)


def run_on_droplet(command: Command, droplet: Droplet, words: Sequence[str]) -> int:
    known_hosts_line = ssh.known_hosts_line(droplet, command.resources(), command.stack_name)
    with (
        foreground.runner() as run_command,
        tempfile.NamedTemporaryFile("w", prefix="known-hosts-") as file,
    ):
        file.write(known_hosts_line)
        file.flush()
        return run_command(ssh.command(droplet, Path(file.name), words), os.environ)


def droplets_of(command: Command) -> dict[str, Droplet]:
    """Return the stack's droplets by name."""
    return {droplet.name: droplet for droplet in command.account.droplets(command.stack_tags())}


def unknown_target(name: str, kind: str, names: Iterable[str]) -> UsageError:
    """Return the error for a name that does not exist, or for no name at all."""
    choices = ", ".join(names) or "none"
    if name:
        return UsageError(f"there is no {kind} {name}; there are: {choices}")
    return UsageError(f"name a {kind}: {choices}")
