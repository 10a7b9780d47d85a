"""What exists in the cloud under test, as its own answers tell: so that requests can name it."""

import random
from collections.abc import Iterator
from typing import Any

MOST = 40
"""Of each kind, the latest: a cloud that was asked much would only be asked for the dead."""

IDENTIFIERS = {
    "account_key": ("ssh_key_identifier", ("id", "fingerprint")),
    "action": ("action_id", ("id",)),
    "certificate": ("certificate_id", ("id",)),
    "domain": ("domain_name", ("name",)),
    "domain_record": ("domain_record_id", ("id",)),
    "droplet": ("droplet_id", ("id",)),
    "firewall": ("firewall_id", ("id",)),
    "image": ("image_id", ("id", "slug")),
    "key": ("access_key", ("access_key",)),
    "load_balancer": ("lb_id", ("id",)),
    "project": ("project_id", ("id",)),
    "reserved_ip": ("reserved_ip", ("ip",)),
    "snapshot": ("snapshot_id", ("id",)),
    "ssh_key": ("ssh_key_identifier", ("id", "fingerprint")),
    "tag": ("tag_id", ("name",)),
    "vpc": ("vpc_id", ("id",)),
}
"""Under which key of an answer an object lies: the path parameter that takes it, and its fields that do."""


class Known:
    """Identifiers by path parameter."""

    def __init__(self, random: random.Random) -> None:
        self._random = random
        self._found: dict[str, list[Any]] = {}
        self._actions: dict[str, list[tuple[Any, int]]] = {}

    def learn(self, answer: Any) -> None:
        """Take up what an answer shows, one object or a list of them."""
        for parameter, value in _identifiers(answer):
            known = self._found.setdefault(parameter, [])
            if value in known:
                known.remove(value)
            known.append(value)
            del known[:-MOST]
        action = answer.get("action") if isinstance(answer, dict) else None
        if isinstance(action, dict) and "resource_type" in action:
            self._actions.setdefault(action["resource_type"], []).append((action["resource_id"], action["id"]))

    def forget(self, parameter: str, value: Any) -> None:
        """An object that was deleted; now and then it is still asked for."""
        known = self._found.get(parameter, [])
        if value in known and self._random.random() < 0.9:
            known.remove(value)

    def one(self, parameter: str, otherwise: Any = None) -> Any:
        known = self._found.get(parameter)
        return self._random.choice(known) if known else otherwise

    def action(self, resource_type: str) -> tuple[Any, int] | None:
        """A resource of this type and one of its actions."""
        known = self._actions.get(resource_type)
        return self._random.choice(known[-MOST:]) if known else None

    def some(self, parameter: str, most: int = 3) -> list[Any]:
        known = self._found.get(parameter, [])
        return self._random.sample(known, min(len(known), self._random.randint(0, most)))


def _identifiers(answer: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(answer, dict):
        return
    for kind, (parameter, fields) in IDENTIFIERS.items():
        held = answer.get(kind, answer.get(f"{kind}s", []))
        for item in held if isinstance(held, list) else [held]:
            if isinstance(item, dict) and not item.get("public"):  # not the vendor's images: nobody may change them
                yield from ((parameter, item[field]) for field in fields if item.get(field) is not None)
