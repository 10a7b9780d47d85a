"""The accounts of a cloud: their tokens, Spaces keys and limits, in ``accounts.json`` of the cloud's directory.

The first is ``default``, whose secrets are those of ``cloud.json``. Whoever writes replaces the file as a whole, so that every
process that reads it, each at its own time, sees all of an account or nothing of it.
"""

import fcntl
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rehearsal import atomic_file
from rehearsal.catalog import account as catalog
from rehearsal.config import CloudConfig
from rehearsal.state.store import FIRST_ACCOUNT

DEFAULT = FIRST_ACCOUNT

NAME = r"^[a-z][a-z0-9-]{0,31}$"
"""An account's name stands in its mail address."""


class Account(BaseModel):
    """Who a token stands for, and what it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    token: str
    spaces_key: str
    spaces_secret: str
    droplet_limit: int = Field(catalog.DROPLET_LIMIT, ge=0)
    reserved_ip_limit: int = Field(catalog.RESERVED_IP_LIMIT, ge=0)

    @property
    def email(self) -> str:
        return catalog.EMAIL if self.name == DEFAULT else f"{self.name}@example.com"

    @property
    def team(self) -> str:
        return catalog.TEAM if self.name == DEFAULT else self.name

    def uuid(self, config: CloudConfig) -> str:
        """The same whenever it is asked for, and another in each cloud."""
        return str(
            uuid5(
                NAMESPACE_DNS,
                config.domain if self.name == DEFAULT else f"{self.name}.{config.domain}",
            )
        )


_ACCOUNTS = TypeAdapter(list[Account])


class Accounts:
    """All accounts of a cloud as they are now; asking again costs one look at the file's age."""

    def __init__(self, config: CloudConfig) -> None:
        self._file = atomic_file.CachedFile(_file(config), lambda: _read(config))

    def all(self) -> list[Account]:
        """The default one first."""
        return self._file.current()

    def get(self, name: str) -> Account:
        """Raises: KeyError if there is none of that name."""
        for account in self.all():
            if account.name == name:
                return account
        raise KeyError(name)

    def of_token(self, token: bytes) -> Account | None:
        """Whose token it is; takes as long for a token that is nearly right as for any other."""
        found = None
        for account in self.all():
            if hmac.compare_digest(account.token.encode(), token):
                found = account
        return found

    def of_spaces_key(self, key: str) -> Account | None:
        """Whose Spaces key it is; the key is no secret, and its secret is the account's."""
        return next((account for account in self.all() if account.spaces_key == key), None)


def ensure(config: CloudConfig, name: str, limits: dict[str, int]) -> Account:
    """The account of that name, made if it is not there, with those of its ``limits`` changed that are given.

    Raises:
        ValueError: the name cannot be an account's, or a limit is below zero.
    """
    if not re.fullmatch(NAME, name):
        raise ValueError(
            f"{name} cannot name an account: take 1 to 32 lower-case letters, digits and hyphens, a letter first"
        )
    if any(limit < 0 for limit in limits.values()):
        raise ValueError("a limit is 0 or more")
    with _alone(config):
        present = {account.name: account for account in _read(config)}
        account = (present.get(name) or _new(name)).model_copy(update=limits)
        if account != present.get(name):
            atomic_file.write(
                _file(config),
                _ACCOUNTS.dump_json(list({**present, name: account}.values()), indent=2),
            )
    return account


def seen_by(config: CloudConfig, account: Account) -> CloudConfig:
    """The cloud's facts with the secrets of one account."""
    return config.model_copy(update=_secrets(account))


def _new(name: str) -> Account:
    return Account(
        name=name,
        token="dop_v1_" + secrets.token_hex(32),
        spaces_key="DO00" + secrets.token_hex(8).upper(),
        spaces_secret=secrets.token_urlsafe(32),
    )


def _secrets(holder: Account | CloudConfig) -> dict[str, Any]:
    return {
        "token": holder.token,
        "spaces_key": holder.spaces_key,
        "spaces_secret": holder.spaces_secret,
    }


def _file(config: CloudConfig) -> Path:
    return config.directory / "accounts.json"


def _read(config: CloudConfig) -> list[Account]:
    file = _file(config)
    kept = (
        {account.name: account for account in _ACCOUNTS.validate_json(file.read_bytes())}
        if file.exists()
        else {}
    )
    first = kept.pop(DEFAULT, None) or Account(name=DEFAULT, **_secrets(config))
    return [first.model_copy(update=_secrets(config)), *kept.values()]


@contextmanager
def _alone(config: CloudConfig) -> Iterator[None]:
    """While nobody else changes the accounts of the cloud."""
    directory = os.open(config.directory, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
