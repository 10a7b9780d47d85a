"""Identifiers of existing resources, collected from responses for later requests."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

MAX_PER_TYPE = 40
"""Only the latest identifiers: most older resources are deleted."""

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
"""Key of an object in responses -> its path parameter, and the fields with its values."""

Parameters = dict[str, Any]
"""Path parameters of one resource, such as a domain and one of its records."""


class Identifiers:
    """Identifiers by path parameters."""

    def __init__(self, random: random.Random) -> None:
        self._random = random
        self._parameters: dict[frozenset[str], list[Parameters]] = {}

    def collect(self, response: Any, parents: Mapping[str, Any]) -> None:
        """Add the identifiers in a response; ``parents`` are the path parameters of its request."""
        for parameter, value in _identifiers(response):
            self._add({parameter: value})
            if parents and parameter not in parents:
                self._add({**parents, parameter: value})

    def remove(self, path: Parameters) -> None:
        """Remove a deleted object in most cases; some requests should name deleted objects."""
        candidates = self._parameters.get(frozenset(path), [])
        if path in candidates and self._random.random() < 0.9:
            candidates.remove(path)

    def path(self, parameters: Mapping[str, Any]) -> Parameters | None:
        """Return values for the parameters of a path, or None if there are none."""
        candidates = self._parameters.get(frozenset(parameters))
        return dict(self._random.choice(candidates)) if candidates else None

    def one(self, parameter: str, default: Any = None) -> Any:
        values = self.path({parameter: None})
        return values[parameter] if values else default

    def some(self, parameter: str, maximum: int = 3) -> list[Any]:
        candidates = [
            values[parameter] for values in self._parameters.get(frozenset({parameter}), [])
        ]
        return self._random.sample(
            candidates, min(len(candidates), self._random.randint(0, maximum))
        )

    def _add(self, parameters: Parameters) -> None:
        candidates = self._parameters.setdefault(frozenset(parameters), [])
        if parameters in candidates:
            candidates.remove(parameters)
        candidates.append(parameters)
        del candidates[:-MAX_PER_TYPE]


def _identifiers(response: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(response, dict):
        return
    for kind, (parameter, fields) in IDENTIFIERS.items():
        objects = response.get(kind, response.get(f"{kind}s", []))
        for item in objects if isinstance(objects, list) else [objects]:
            # Without stock images, which no request can change.
            if isinstance(item, dict) and not item.get("public"):
                yield from (
                    (parameter, item[field]) for field in fields if item.get(field) is not None
                )
