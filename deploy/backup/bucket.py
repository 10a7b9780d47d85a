"""The bucket of a stack's backups, as the operator reads and writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.errors import UsageError
from deploy.orphans.spaces import Spaces, SpacesError
from infra.backup.access import BackupAccess
from infra.backup.archive import parse_name

BEFORE_RESTORE = "before-restore"
"""Who takes the backup of the state that a restore replaces."""


@dataclass(frozen=True)
class Backup:
    """A stored backup."""

    name: str
    taken: datetime
    taken_by: str
    size_bytes: int

    @property
    def age_s(self) -> float:
        return (datetime.now(UTC) - self.taken).total_seconds()

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "taken": self.taken.isoformat(),
            "taken_by": self.taken_by,
            "age_s": round(self.age_s),
            "size_bytes": self.size_bytes,
        }


class BackupBucket:
    """Reads and writes backups. Every request raises ``SpacesError`` when it fails."""

    def __init__(self, spaces: Spaces, access: BackupAccess) -> None:
        self.name = access["bucket"]
        self._s3 = spaces.client(access["region"])

    def list(self) -> list[Backup]:
        """Return the backups, the newest first. Objects of other names are left out."""
        with _errors(f"the bucket {self.name} cannot be listed"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
            stored = [item for page in pages for item in page.get("Contents", ())]
        backups = [
            Backup(item["Key"], *parsed, item["Size"])
            for item in stored
            if (parsed := parse_name(item["Key"]))
        ]
        return sorted(backups, key=lambda backup: backup.name, reverse=True)

    def find(self, name: str) -> Backup:
        """Return the backup of this name.

        Raises:
            UsageError: there is none.
        """
        for backup in self.list():
            if backup.name == name:
                return backup
        raise UsageError(
            f"the bucket {self.name} has no backup {name}; `--list` of `backup` shows its backups"
        )

    def store(self, name: str, content: bytes) -> None:
        with _errors(f"the backup {name} was not stored"):
            self._s3.put_object(Bucket=self.name, Key=name, Body=content)

    def load(self, name: str) -> bytes:
        with _errors(f"the backup {name} cannot be read"):
            content: bytes = self._s3.get_object(Bucket=self.name, Key=name)["Body"].read()
        return content


@contextmanager
def _errors(description: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise SpacesError(f"{description}: {error}") from error
