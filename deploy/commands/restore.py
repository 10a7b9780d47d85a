"""``restore``: put a backup of Consul and Nomad into the stack's cluster."""

import argparse
import contextlib
import sys
from datetime import UTC, datetime

from deploy import stack
from deploy.backup.age import format_age
from deploy.backup.bucket import BEFORE_RESTORE, Backup, BackupBucket
from deploy.backup.restoration import ensure_access, restore
from deploy.backup.target import Target, find_target
from deploy.batches import replacing_only
from deploy.commands.command import FAILED, Command, add_parser
from deploy.errors import UsageError
from deploy.orphans.spaces import Spaces
from infra.backup.archive import DamagedBackupError, backup_name, seal, unseal
from infra.backup.contents import Counts, SnapshotError
from infra.backup.taking import count_objects, take_snapshots
from infra.cluster_api.client import AgentError

DROPLET = "Droplet"
MACHINE_CHANGES = ("to create", "to replace", "to delete")
DESCRIPTION = """\
Replace all data of Consul and Nomad by those of a backup: jobs, keys, variables, tokens. A backup
of what they have now is stored first. Then an update creates the program's own tokens, policies and
jobs again, and the workers join as in a new cluster. They restart, so the services stop for about a
minute. After the loss of all primes, run `up` first."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "restore", run, "replace the data of Consul and Nomad by those of a backup"
    )
    parser.description = DESCRIPTION
    parser.add_argument(
        "backup",
        metavar="BACKUP",
        nargs="?",
        help="its name in `backup --list` (default: the newest that no restore has taken)",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(command: Command) -> int:
    terminal = command.terminal
    target = _read_target(command)
    bucket = BackupBucket(Spaces(command.setting), target.backups)
    backup = _choose(command, bucket)
    try:
        snapshots = unseal(backup.name, bucket.load(backup.name), target.backups)
        stored = count_objects(snapshots)
    except (DamagedBackupError, SnapshotError) as error:
        return command.fail(f"nothing was changed: {error}", FAILED)
    _require_unchanged_machines(command)
    with contextlib.redirect_stdout(sys.stderr):
        access = ensure_access(target)
        try:
            current = take_snapshots(access)
            before = count_objects(current)
        except (AgentError, SnapshotError) as error:
            return command.fail(f"nothing was changed: {error}", FAILED)
        _show(command, {"in the backup": stored, "now": before})
        if not command.args.yes and not command.is_confirmed(
            f"Replace the data of the stack {command.stack_name} by {backup.name}, "
            f"taken {format_age(backup.age_s)} ago?"
        ):
            raise UsageError("nothing was changed; give --yes, or the stack's name when asked")
        saved = backup_name(datetime.now(UTC), BEFORE_RESTORE)
        bucket.store(saved, seal(saved, current, target.backups))
        terminal.line(f"the present state is stored as {saved}")
        restore(target, access, snapshots, terminal.line)
    with replacing_only(()):
        outcome = command.operate("restore", replace=[target.roster_urn])
    if outcome.result != "succeeded":
        terminal.line(
            f"the data are restored; `python -m deploy up {command.stack_name}` completes the "
            "cluster; if that fails too, run "
            f"`python -m deploy restore {command.stack_name} {backup.name}` again",
            "yellow",
        )
        return command.report(outcome, backup=backup.name, saved=saved)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            after = count_objects(take_snapshots(_read_target(command).access))
        except (AgentError, SnapshotError) as error:
            return command.fail(f"the data are restored, but not counted: {error}", FAILED)
    code = command.report(
        outcome, backup=backup.name, saved=saved, contents=stored, before=before, after=after
    )
    _show(command, {"in the backup": stored, "before": before, "after": after})
    return code


def _require_unchanged_machines(command: Command) -> None:
    """Refuse a restore if the update after it would change machines.

    New primes would start a cluster of their own, because the restored one is a new cluster too,
    and the old primes have the restored data. After an interrupted restore, the preview fails.

    Raises:
        UsageError: it would, or the settings are wrong.
    """
    plan = command.operate("preview")
    machines = sorted(
        change.name
        for change in plan.changes
        if change.type == DROPLET and change.action in MACHINE_CHANGES
    )
    if machines:
        raise UsageError(
            f"nothing was restored, because `up` would change {', '.join(machines)}; "
            f"run `python -m deploy up {command.stack_name}` first"
        )
    for failure in plan.failures:
        if failure.is_wrong_settings:
            raise UsageError(failure.message)
        command.terminal.line(f"the preview failed: {failure.message}", "yellow")


def _read_target(command: Command) -> Target:
    state = stack.resources(command.stack_name, command.pulumi_cli, command.directory, secrets=True)
    return find_target(state, command.stack_name)


def _choose(command: Command, bucket: BackupBucket) -> Backup:
    """Return the backup that the user named, or the newest.

    Raises:
        UsageError: there is none.
    """
    if name := command.args.backup:
        return bucket.find(name)
    for backup in bucket.list():
        if backup.taken_by != BEFORE_RESTORE:
            return backup
    raise UsageError(
        f"the bucket {bucket.name} has no backup; `python -m deploy backup {command.stack_name}` "
        "takes one"
    )


def _show(command: Command, columns: dict[str, Counts]) -> None:
    names = dict.fromkeys(name for counts in columns.values() for name in counts)
    command.terminal.table(
        ("object", *columns),
        [(name, *(counts.get(name, 0) for counts in columns.values())) for name in names],
    )
