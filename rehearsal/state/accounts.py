"""The accounts of a cloud, with their tokens, Spaces keys and limits.

They are in ``accounts.json`` of the cloud's directory, which several processes read. The account
``default`` has the secrets of ``cloud.json``.
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

DEFAULT_ACCOUNT = "default"

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,31}$"
"""An account's name is part of its email address."""


class Account(BaseModel):
    """An account's credentials and limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN)
    token: str
    spaces_key: str
    spaces_secret: str
    droplet_limit: int = Field(catalog.DROPLET_LIMIT, ge=0)
    reserved_ip_limit: int = Field(catalog.RESERVED_IP_LIMIT, ge=0)

    @property
    def email(self) -> str:
        return catalog.EMAIL if self.name == DEFAULT_ACCOUNT else f"{self.name}@example.com"

    @property
    def team(self) -> str:
        return catalog.TEAM if self.name == DEFAULT_ACCOUNT else self.name

    def uuid(self, config: CloudConfig) -> str:
        """Return the account's UUID, which is derived from its name and the cloud's domain."""
        is_default = self.name == DEFAULT_ACCOUNT
        return str(
            uuid5(NAMESPACE_DNS, config.domain if is_default else f"{self.name}.{config.domain}")
        )


_ACCOUNTS = TypeAdapter(list[Account])


class Accounts:
    """All accounts of a cloud, as they are at each call."""

    def __init__(self, config: CloudConfig) -> None:
        self._file = atomic_file.CachedFile(
            _path(config),
            lambda content: _parse(config, content),
            missing=_parse(config, b"[]"),
        )

    def all(self) -> list[Account]:
        """Return all accounts, the default account first."""
        return self._file.current()

    def get(self, name: str) -> Account:
        """Return an account by name.

        Raises:
            KeyError: there is no such account.
        """
        for account in self.all():
            if account.name == name:
                return account
        raise KeyError(name)

    def find_by_token(self, token: bytes) -> Account | None:
        """Return the account of a token, in a time that does not depend on the token's content."""
        match = None
        for account in self.all():
            if hmac.compare_digest(account.token.encode(), token):
                match = account
        return match

    def find_by_spaces_key(self, key: str) -> Account | None:
        """Return the account whose first Spaces key this is. An access key is no secret."""
        return next((account for account in self.all() if account.spaces_key == key), None)

    def close(self) -> None:
        self._file.close()


def create_or_update(config: CloudConfig, name: str, limits: dict[str, int]) -> Account:
    """Create the account if it does not exist, and set the given limits.

    Raises:
        ValueError: the name or a limit is invalid.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(
            f"account name {name!r} is invalid: use 1 to 32 lower-case letters, digits and "
            "hyphens, beginning with a letter"
        )
    for limit, value in limits.items():
        if value < 0:
            raise ValueError(f"{limit} is {value}: give 0 or more")
    with _locked(config):
        path = _path(config)
        present = {
            account.name: account
            for account in _parse(config, path.read_bytes() if path.exists() else b"[]")
        }
        account = (present.get(name) or _generate(name)).model_copy(update=limits)
        if account != present.get(name):
            accounts = list({**present, name: account}.values())
            atomic_file.write(path, _ACCOUNTS.dump_json(accounts, indent=2))
    return account


def config_for(config: CloudConfig, account: Account) -> CloudConfig:
    """Return the cloud's configuration with the secrets of one account."""
    return config.model_copy(update=_secrets(account))


def _generate(name: str) -> Account:
    return Account(
        name=name,
        token="dop_v1_" + secrets.token_hex(32),
        spaces_key="DO00" + secrets.token_hex(8).upper(),
        spaces_secret=secrets.token_urlsafe(32),
    )


def _secrets(source: Account | CloudConfig) -> dict[str, Any]:
    return {
        "token": source.token,
        "spaces_key": source.spaces_key,
        "spaces_secret": source.spaces_secret,
    }


def _path(config: CloudConfig) -> Path:
    return config.directory / "accounts.json"


def _parse(config: CloudConfig, content: bytes) -> list[Account]:
    accounts = {account.name: account for account in _ACCOUNTS.validate_json(content)}
    default = accounts.pop(DEFAULT_ACCOUNT, None) or Account(
        name=DEFAULT_ACCOUNT, **_secrets(config)
    )
    return [default.model_copy(update=_secrets(config)), *accounts.values()]


@contextmanager
def _locked(config: CloudConfig) -> Iterator[None]:
    """Hold a lock on the cloud's directory, so that no other process changes its accounts."""
    directory = os.open(config.directory, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
