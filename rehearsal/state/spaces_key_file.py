"""Spaces keys as Spaces itself knows them: whose each is, its secret, and what it may do.

Spaces is served by another process than the API, which makes the keys: they are handed over in ``spaces-keys.json`` of the
cloud's directory. It is replaced as a whole, on disk before the API answers, and looked at with every request.
"""

import os
import threading
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rehearsal import atomic_file
from rehearsal.config import CloudConfig
from rehearsal.state.accounts import Accounts
from rehearsal.state.records import Grant

FULL_ACCESS = Grant(bucket="", permission="fullaccess")


class Key(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str
    secret: str
    grants: list[Grant]

    @property
    def full(self) -> bool:
        """Whether it may do everything that its account may."""
        return any(grant.permission == "fullaccess" for grant in self.grants)

    def reads(self, bucket: str) -> bool:
        return self.full or any(
            grant.bucket == bucket and grant.permission in ("read", "readwrite")
            for grant in self.grants
        )

    def writes(self, bucket: str) -> bool:
        return self.full or any(
            grant.bucket == bucket and grant.permission == "readwrite" for grant in self.grants
        )


_KEYS = TypeAdapter(dict[str, Key])


class Keyring:
    """All keys of a cloud as they are now: those that the API made, and each account's first."""

    def __init__(self, config: CloudConfig) -> None:
        self._accounts = Accounts(config)
        self._path = _file(config)
        self._read: BinaryIO | None = None
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Key | None:
        """By the access key."""
        with self._lock:
            account = self._accounts.of_spaces_key(key)
            if account is not None:
                return Key(account=account.name, secret=account.spaces_secret, grants=[FULL_ACCESS])
            return self._current().get(key)

    def close(self) -> None:
        if self._read is not None:
            self._read.close()

    def _current(self) -> dict[str, Key]:
        """What the file says now. It stays open while it is known, so that no newer one can have its inode."""
        if not self._path.exists():
            return {}
        now, known = (
            self._path.stat(),
            os.fstat(self._read.fileno()) if self._read is not None else None,
        )
        if known is None or now.st_ino != known.st_ino:
            self.close()
            self._read = self._path.open("rb")
            self._keys = _KEYS.validate_json(self._read.read())
        return self._keys


def publish(config: CloudConfig, keys: dict[str, Key]) -> None:
    """Hand over the keys that the API made, all of them; only the cloud's owner may ever read them.

    Raises:
        OSError: the disk is full; those that were handed over before are still in force.
    """
    atomic_file.write(_file(config), _KEYS.dump_json(keys))


def _file(config: CloudConfig) -> Path:
    return config.directory / "spaces-keys.json"
