"""``snapshot``: decrypt a snapshot that an update saved before servers left."""

import argparse
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag

from deploy import stack
from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.errors import UsageError
from infra.snapshot_encryption import decrypt

READINESS_TYPE = "pulumi-python:dynamic/slipway:Readiness"
DESCRIPTION = """\
Decrypt a snapshot of Consul or Nomad with the key in the stack's state. The result is what
`consul snapshot restore` or `nomad operator snapshot restore` reads. It contains secrets, so its
mode is 600."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(subparsers, "snapshot", run, "decrypt a snapshot of Consul or Nomad")
    parser.description = DESCRIPTION
    parser.add_argument("file", metavar="FILE", type=Path, help="the encrypted snapshot")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the new file")


def run(command: Command) -> int:
    file, output = command.args.file, command.args.output
    try:
        encrypted = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    state = stack.resources(command.stack_name, command.pulumi_cli, command.directory, secrets=True)
    keys = [
        resource["inputs"]["snapshot_key"]
        for resource in state
        if resource["type"] == READINESS_TYPE and not resource.get("delete")
    ]
    if not keys:
        raise UsageError(
            f"the state has no key for snapshots; run `python -m deploy up {command.stack_name}`"
        )
    try:
        content = decrypt(encrypted, keys[0])
    except (InvalidTag, ValueError):
        return command.fail(f"{file} is damaged, or belongs to another stack", FAILED)
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{output} cannot be created: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as new_file:
        new_file.write(content)
    command.terminal.line(f"{output} has {len(content)} bytes", "green")
    command.print_json({"operation": "snapshot", "stack": command.stack_name, "file": str(output)})
    return OK
