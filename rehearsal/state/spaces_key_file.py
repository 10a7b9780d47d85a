"""Spaces keys in ``spaces-keys.json`` of the cloud's directory.

The API creates the keys, and another process serves Spaces. The API writes the file before it
answers a request that changes a key, and Spaces checks the file with each request.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rehearsal import atomic_file
from rehearsal.config import CloudConfig
from rehearsal.state.accounts import Accounts
from rehearsal.state.records import Grant

FULL_ACCESS = Grant(bucket="", permission="fullaccess")


class Key(BaseModel):
    """A Spaces key, as Spaces needs it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str
    secret: str
    grants: list[Grant]

    @property
    def has_full_access(self) -> bool:
        """Whether the key may do everything that its account may."""
        return any(grant.permission == "fullaccess" for grant in self.grants)

    def can_read(self, bucket: str) -> bool:
        return self.has_full_access or any(
            grant.bucket == bucket and grant.permission in ("read", "readwrite")
            for grant in self.grants
        )

    def can_write(self, bucket: str) -> bool:
        return self.has_full_access or any(
            grant.bucket == bucket and grant.permission == "readwrite" for grant in self.grants
        )


_KEYS = TypeAdapter(dict[str, Key])


class SpacesKeys:
    """All Spaces keys of a cloud: those that the API created, and the first key of each account."""

    def __init__(self, config: CloudConfig) -> None:
        self._accounts = Accounts(config)
        no_keys: dict[str, Key] = {}
        self._file = atomic_file.CachedFile(_path(config), _KEYS.validate_json, missing=no_keys)

    def get(self, access_key: str) -> Key | None:
        account = self._accounts.find_by_spaces_key(access_key)
        if account is not None:
            return Key(account=account.name, secret=account.spaces_secret, grants=[FULL_ACCESS])
        return self._file.current().get(access_key)

    def close(self) -> None:
        self._accounts.close()
        self._file.close()


def publish(config: CloudConfig, keys: dict[str, Key]) -> None:
    """Replace the keys that Spaces accepts. Only the cloud's owner can read the file.

    Raises:
        OSError: for example when the disk is full; the former keys stay valid.
    """
    atomic_file.write(_path(config), _KEYS.dump_json(keys))


def _path(config: CloudConfig) -> Path:
    return config.directory / "spaces-keys.json"
