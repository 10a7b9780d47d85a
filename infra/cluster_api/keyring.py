"""Another key for gossip, while the members go on talking: all know it before one uses it, all use it before the old one goes.

Each step looks first and is of no consequence where it is done already, so that a change that broke off anywhere is
finished by the next try.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from infra.cluster_api.client import AgentError, Retrier

CONNECT_TIMEOUT_S = (1.0, 60.0)
"""Seconds for a connection and an answer: an agent waits for the answers of all members, of which one may just have gone."""


class Pool(NamedTuple):
    """Members that gossip with each other."""

    name: str
    nodes: int
    keys: Mapping[str, int]
    """Each key, and how many members have it."""


class Keyring(Protocol):
    """One program's keys. A change raises ``AgentError`` unless every member did it."""

    kind: str

    def pools(self) -> list[Pool]: ...

    def install_key(self, key: str) -> None: ...

    def use_key(self, key: str) -> None: ...

    def remove_key(self, key: str) -> None: ...


def change_key(keyring: Keyring, key: str, patience: Retrier) -> None:
    """Have every member use ``key`` and forget all others.

    Raises:
        AgentError: some member did not acknowledge in time.
    """
    what = f"{keyring.kind}'s gossip key"
    patience.until(f"{what} is made known", lambda: _known(keyring, key))
    patience.until(f"{what} is taken into use", lambda: keyring.use_key(key))
    patience.until(f"{what} is the only one", lambda: _alone(keyring, key))
    print(f"{what} is another one", flush=True)


def _known(keyring: Keyring, key: str) -> None:
    if _lacking(keyring, key):
        keyring.install_key(key)
        if lacking := _lacking(keyring, key):
            raise AgentError(f"{lacking} lack it")


def _lacking(keyring: Keyring, key: str) -> str:
    short = [
        (pool.name, pool.nodes - pool.keys.get(key, 0))
        for pool in keyring.pools()
        if pool.keys.get(key, 0) < pool.nodes
    ]
    return ", ".join(f"{count} of {name}" for name, count in short)


def _alone(keyring: Keyring, key: str) -> None:
    for other in _others(keyring, key):
        keyring.remove_key(other)
    if left := _others(keyring, key):
        raise AgentError(f"{len(left)} others are left")


def _others(keyring: Keyring, key: str) -> set[str]:
    return {other for pool in keyring.pools() for other in pool.keys} - {key}
