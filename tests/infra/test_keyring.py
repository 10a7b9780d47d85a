"""Another gossip key: in which order, and from wherever an earlier change broke off."""

from collections import Counter

import pytest

from infra.cluster_api import client
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.keyring import GossipPool, rotate_key


class Ring:
    """Two pools of members with their keys, of which the first is in use.

    A key in use cannot be removed, and a missing key cannot be used.
    """

    kind = "Consul"

    def __init__(self, *keys: str) -> None:
        self.members = {"LAN": [list(keys) for _ in range(3)], "WAN": [list(keys)]}
        self.done: list[str] = []
        self.deaf = 0
        """How many changes a member does not hear of."""

    def gossip_pools(self) -> list[GossipPool]:
        return [
            GossipPool(name, len(rings), Counter(key for ring in rings for key in ring))
            for name, rings in self.members.items()
        ]

    def _everyone(self, verb: str, key: str) -> list[list[str]]:
        self.done.append(f"{verb} {key}")
        rings = [ring for pool in self.members.values() for ring in pool]
        self.deaf -= 1
        return rings if self.deaf < 0 else rings[1:]

    def _answered(self) -> None:
        if self.deaf >= 0:
            raise AgentError("2/3 nodes reported success", 500)

    def install_key(self, key: str) -> None:
        for ring in self._everyone("install", key):
            ring += [key] if key not in ring else []
        self._answered()

    def use_key(self, key: str) -> None:
        for ring in self._everyone("use", key):
            ring.insert(0, ring.pop(ring.index(key)))
        self._answered()

    def remove_key(self, key: str) -> None:
        for ring in self._everyone("remove", key):
            if ring[0] == key:
                raise AgentError("key is in use", 500)
            ring[:] = [one for one in ring if one != key]
        self._answered()

    def all_have(self, *keys: str) -> bool:
        return all(ring == list(keys) for pool in self.members.values() for ring in pool)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.001)


def test_key_is_installed_then_used_then_the_old_key_removed() -> None:
    ring = Ring("old")
    rotate_key(ring, "new", Retrier(5))
    assert ring.done == ["install new", "use new", "remove old"]
    assert ring.all_have("new")


@pytest.mark.parametrize(
    "left",
    [("old", "new"), ("new", "old"), ("new",), ("between", "old"), ("old", "between", "new")],
)
def test_failed_rotation_can_be_repeated(left: tuple[str, ...]) -> None:
    ring = Ring(*left)
    rotate_key(ring, "new", Retrier(5))
    assert ring.all_have("new")


def test_later_member_gets_the_key_too() -> None:
    ring = Ring("new", "old")
    ring.members["LAN"].append(["old"])
    rotate_key(ring, "new", Retrier(5))
    assert ring.all_have("new")


@pytest.mark.parametrize("deaf", [1, 2, 4])
def test_every_member_must_confirm(deaf: int) -> None:
    ring = Ring("old")
    ring.deaf = deaf
    rotate_key(ring, "new", Retrier(5))
    assert ring.all_have("new")


def test_old_key_stays_until_every_member_has_the_new_one() -> None:
    ring = Ring("old")
    ring.deaf = 10**6
    with pytest.raises(AgentError, match="gossip key: install: 2/3 nodes"):
        rotate_key(ring, "new", Retrier(0.05))
    assert all("old" in one for pool in ring.members.values() for one in pool)
