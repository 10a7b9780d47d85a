"""Rotation of a gossip key without interruption.

Every member installs the new key, then every member uses it, and then the old key is removed. Each
step first reads the keyring, so a rotation that failed can be repeated.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from infra.cluster_api.client import AgentError, Retrier, Timeout

KEYRING_TIMEOUT_S: Timeout = (1.0, 60.0)
"""The agent waits for the responses of all members, one of which may have just left."""


class GossipPool(NamedTuple):
    """Members that gossip with each other."""

    name: str
    size: int
    """Number of members."""
    keys: Mapping[str, int]
    """Number of members that have each key."""


class Keyring(Protocol):
    """The gossip keys of Consul or Nomad. A change fails unless every member confirms it."""

    kind: str

    def gossip_pools(self) -> list[GossipPool]: ...

    def install_key(self, key: str) -> None: ...

    def use_key(self, key: str) -> None: ...

    def remove_key(self, key: str) -> None: ...


def rotate_key(keyring: Keyring, key: str, retrier: Retrier) -> None:
    """Replace all gossip keys by ``key``.

    Raises:
        AgentError: some member did not confirm in time.
    """
    description = f"{keyring.kind}'s gossip key"
    retrier.run(f"{description}: install", lambda: _install(keyring, key))
    retrier.run(f"{description}: use", lambda: keyring.use_key(key))
    retrier.run(f"{description}: remove the old key", lambda: _remove_other_keys(keyring, key))
    print(f"{description} is rotated", flush=True)


def _install(keyring: Keyring, key: str) -> None:
    if _members_without(keyring, key):
        keyring.install_key(key)
        if missing := _members_without(keyring, key):
            raise AgentError(f"{missing} do not have the new key")


def _members_without(keyring: Keyring, key: str) -> str:
    """Return how many members of each pool lack the key: ``2 of LAN``; empty if none does."""
    missing = {pool.name: pool.size - pool.keys.get(key, 0) for pool in keyring.gossip_pools()}
    return ", ".join(f"{count} of {name}" for name, count in missing.items() if count > 0)


def _remove_other_keys(keyring: Keyring, key: str) -> None:
    for other in _other_keys(keyring, key):
        keyring.remove_key(other)
    if left := _other_keys(keyring, key):
        raise AgentError(f"{len(left)} old keys are left")


def _other_keys(keyring: Keyring, key: str) -> set[str]:
    return {other for pool in keyring.gossip_pools() for other in pool.keys} - {key}
