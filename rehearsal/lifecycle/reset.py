"""Emptying a cloud whose API has ended: what clients made goes, what makes the cloud itself stays."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from rehearsal.config import CloudConfig

KEPT = {
    "cloud.json",
    "accounts.json",
    "cloud.db",
    "cloud.db-wal",
    "cloud.db-shm",
    "ssh",
    "pulumi-home",
    "secrets.key",
    "authority",
    "gnupg",
    "releases",
    "releases-key.asc",
    "server.log",
    "api.log",
    "inside.log",
}
"""Names, secrets, keys, and what was logged. Whatever else is in the directory is what clients made, or made again from the store."""

NOT_MADE = {"action"}
"""Kinds of which nobody says that he has one."""


def contents(config: CloudConfig) -> list[str]:
    """What there is to be removed, a line each: of each account, of Spaces, of Pulumi."""
    made: dict[str, Counter[str]] = {}
    for account, kind, body in _objects(config):
        if kind not in NOT_MADE and not _came_with_the_cloud(json.loads(body)):
            made.setdefault(account, Counter())[kind.replace("_", " ")] += 1
    lines = [
        f"account {account}: "
        + ", ".join(
            f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in sorted(kinds.items())
        )
        for account, kinds in sorted(made.items())
    ]
    spaces = [file for file in (config.directory / "spaces").rglob("*") if file.is_file()]
    if spaces:
        lines.append(
            f"Spaces: all buckets and objects, {sum(file.stat().st_size for file in spaces):,} bytes"
        )
    stacks = sorted(file.stem for file in _stacks(config))
    return [*lines, f"Pulumi: the state of {', '.join(stacks)}"] if stacks else lines


def empty(config: CloudConfig) -> None:
    """Remove it. Numbers go on from where they were: an id that a client remembers names nothing, rather than something else."""
    if (config.directory / "cloud.db").exists():
        with closing(sqlite3.connect(config.directory / "cloud.db", isolation_level=None)) as store:
            if _has_objects(store):
                store.execute("DELETE FROM objects")
    for entry in config.directory.iterdir():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _objects(config: CloudConfig) -> list[tuple[str, str, str]]:
    """Account, kind and text of every object; none if the cloud never was up."""
    if not (config.directory / "cloud.db").exists():
        return []
    with closing(sqlite3.connect(config.directory / "cloud.db")) as store:
        return (
            store.execute("SELECT account, kind, body FROM objects").fetchall()
            if _has_objects(store)
            else []
        )


def _has_objects(store: sqlite3.Connection) -> bool:
    return (
        store.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone() is not None
    )


def _came_with_the_cloud(body: dict[str, object]) -> bool:
    """Stock images, the default project and default VPCs are there without anybody asking."""
    return (
        body.get("public") is True or body.get("is_default") is True or body.get("default") is True
    )


def _stacks(config: CloudConfig) -> list[Path]:
    return list((config.directory / "pulumi" / ".pulumi" / "stacks").rglob("*.json"))
