"""What ``reset`` deletes of a cloud whose API has stopped: everything that clients made."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

from rehearsal.config import CloudConfig

RETAINED_FILES = {
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
    "guest-services.log",
}
"""Configuration, credentials and logs. Clients made the other files, or the API derives them."""

UNREPORTED_KINDS = {"action"}
"""Kinds of records that are no resources of a user."""


def describe(config: CloudConfig) -> list[str]:
    """Return a line for each account, for Spaces and for Pulumi, with what will be deleted."""
    counts: dict[str, Counter[str]] = {}
    for account, kind, body in _read_objects(config):
        if kind not in UNREPORTED_KINDS and not _is_built_in(json.loads(body)):
            counts.setdefault(account, Counter())[kind.replace("_", " ")] += 1
    lines = [
        f"account {account}: "
        + ", ".join(
            f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items())
        )
        for account, kinds in sorted(counts.items())
    ]
    objects = [file for file in (config.directory / "spaces").rglob("*") if file.is_file()]
    if objects:
        size = sum(file.stat().st_size for file in objects)
        lines.append(f"Spaces: all buckets and objects, {size:,} bytes")
    stacks_directory = config.directory / "pulumi" / ".pulumi" / "stacks"
    if stacks := sorted(file.stem for file in stacks_directory.rglob("*.json")):
        lines.append(f"Pulumi: the state of {', '.join(stacks)}")
    return lines


def delete(config: CloudConfig) -> None:
    """Delete the contents. Ids are not used again, so an old id never names a new resource."""
    if (config.directory / "cloud.db").exists():
        with closing(sqlite3.connect(config.directory / "cloud.db", isolation_level=None)) as db:
            if _has_objects_table(db):
                db.execute("DELETE FROM objects")
    for entry in config.directory.iterdir():
        if entry.name in RETAINED_FILES:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _read_objects(config: CloudConfig) -> list[tuple[str, str, str]]:
    """Return account, kind and JSON of each record; none if the cloud never ran."""
    if not (config.directory / "cloud.db").exists():
        return []
    with closing(sqlite3.connect(config.directory / "cloud.db")) as db:
        if not _has_objects_table(db):
            return []
        return db.execute("SELECT account, kind, body FROM objects").fetchall()


def _has_objects_table(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone() is not None


def _is_built_in(body: dict[str, object]) -> bool:
    """Return whether the cloud made the object itself: stock images, default project and VPCs."""
    return any(body.get(key) is True for key in ("is_public", "is_default"))
