"""``backup``: take a backup of Consul and Nomad now, or list the backups."""

import argparse
import contextlib
import sys
from datetime import UTC, datetime

from deploy import stack
from deploy.backup.age import format_age
from deploy.backup.bucket import BackupBucket
from deploy.backup.target import find_target
from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.orphans.spaces import Spaces
from infra.backup.archive import backup_name, seal
from infra.backup.contents import SnapshotError
from infra.backup.taking import count_objects, take_snapshots
from infra.cluster_api.client import AgentError

OPERATOR = "operator"
DESCRIPTION = """\
Take a snapshot of Consul and of Nomad, encrypt both with the stack's key, and store them in the
stack's bucket of backups. The primes do the same on a schedule (setting `backup_period`)."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "backup", run, "take a backup of Consul and Nomad now, or list the backups"
    )
    parser.description = DESCRIPTION
    parser.add_argument("--list", action="store_true", help="list the backups instead")


def run(command: Command) -> int:
    state = stack.resources(command.stack_name, command.pulumi_cli, command.directory, secrets=True)
    target = find_target(state, command.stack_name)
    bucket = BackupBucket(Spaces(command.setting), target.backups)
    if command.args.list:
        return _list(command, bucket)
    try:
        # A retry prints its reason, and standard output is for the result.
        with contextlib.redirect_stdout(sys.stderr):
            snapshots = take_snapshots(target.access)
        counts = count_objects(snapshots)
    except (AgentError, SnapshotError) as error:
        return command.fail(f"nothing was stored: {error}", FAILED)
    name = backup_name(datetime.now(UTC), OPERATOR)
    content = seal(name, snapshots, target.backups)
    bucket.store(name, content)
    command.terminal.table(("object", "number"), list(counts.items()))
    command.terminal.line(f"{name} is in the bucket {bucket.name}: {len(content)} bytes", "green")
    command.print_json(
        {
            "operation": "backup",
            "stack": command.stack_name,
            "result": "succeeded",
            "bucket": bucket.name,
            "backup": name,
            "size_bytes": len(content),
            "contents": counts,
        }
    )
    return OK


def _list(command: Command, bucket: BackupBucket) -> int:
    backups = bucket.list()
    command.terminal.table(
        ("backup", "age", "bytes"),
        [(backup.name, format_age(backup.age_s), backup.size_bytes) for backup in backups],
    )
    command.print_json(
        {
            "stack": command.stack_name,
            "bucket": bucket.name,
            "backups": [backup.as_json() for backup in backups],
        }
    )
    return OK
