"""What exists in the cloud under test, as its own answers tell: so that requests can name it."""

import random
from collections.abc import Iterator, Mapping
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

Named = dict[str, Any]
"""Path parameters that together name one thing, such as a domain and one of its records."""


class Known:
    """Identifiers by the path parameters that take them."""

    def __init__(self, random: random.Random) -> None:
        self._random = random
        self._found: dict[frozenset[str], list[Named]] = {}

    def learn(self, answer: Any, within: Mapping[str, Any]) -> None:
        """Take up what an answer shows, one object or a list of them, and what of the path it lies within."""
        for parameter, value in _identifiers(answer):
            self._keep({parameter: value})
            if within and parameter not in within:
                self._keep({**within, parameter: value})

    def forget(self, path: Named) -> None:
        """An object that was deleted; now and then it is still asked for."""
        known = self._found.get(frozenset(path), [])
        if path in known and self._random.random() < 0.9:
            known.remove(path)

    def path(self, parameters: Mapping[str, Any]) -> Named | None:
        """Values for a path's parameters."""
        known = self._found.get(frozenset(parameters))
        return dict(self._random.choice(known)) if known else None

    def one(self, parameter: str, otherwise: Any = None) -> Any:
        found = self.path({parameter: None})
        return found[parameter] if found else otherwise

    def some(self, parameter: str, most: int = 3) -> list[Any]:
        known = [named[parameter] for named in self._found.get(frozenset({parameter}), [])]
        return self._random.sample(known, min(len(known), self._random.randint(0, most)))

    def _keep(self, named: Named) -> None:
        known = self._found.setdefault(frozenset(named), [])
        if named in known:
            known.remove(named)
        known.append(named)
        del known[:-MOST]


def _identifiers(answer: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(answer, dict):
        return
    for kind, (parameter, fields) in IDENTIFIERS.items():
        held = answer.get(kind, answer.get(f"{kind}s", []))
        for item in held if isinstance(held, list) else [held]:
            if isinstance(item, dict) and not item.get(
                "public"
            ):  # not the vendor's images: nobody may change them
                yield from (
                    (parameter, item[field]) for field in fields if item.get(field) is not None
                )
