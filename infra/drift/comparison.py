"""Compares what the program declares with what an API returns."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from pulumi.output import contains_unknowns
from pulumi.runtime.rpc import UNKNOWN

ALL_PORTS = ("all", "0", "")
"""How DigitalOcean's API writes all ports."""


def matches(declared: Any, actual: Any) -> bool:
    """Whether ``actual`` has everything that is declared, in any order.

    An object may have more properties than declared. A list has the declared elements and no
    others, and an empty list may be null.
    """
    if isinstance(declared, Mapping):
        return isinstance(actual, Mapping) and all(
            matches(value, actual.get(name)) for name, value in declared.items()
        )
    if isinstance(declared, list):
        found = actual or []
        return len(declared) == len(found) and all(contains(found, element) for element in declared)
    if isinstance(actual, Mapping):  # A region is declared by its slug.
        return bool(declared == actual.get("slug"))
    return bool(_normalise(declared) == _normalise(actual))


def contains(elements: Iterable[Any], declared: Any) -> bool:
    """Whether one of the elements matches."""
    return any(matches(declared, element) for element in elements)


def with_integers(value: Any) -> Any:
    """Return the value without floats that are integers. The engine makes every number a float."""
    if isinstance(value, Mapping):
        return {name: with_integers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [with_integers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_known(value: object) -> bool:
    """Whether the engine has passed a value: it marks an unknown one by text or by an object."""
    if isinstance(value, Mapping):
        return all(map(is_known, value.values()))
    return value != UNKNOWN and not contains_unknowns(value)


def _normalise(value: Any) -> Any:
    if value in ALL_PORTS:
        return ALL_PORTS[0]
    if isinstance(value, str) and ("." in value or ":" in value):
        try:
            return ip_network(value, strict=False)
        except ValueError:
            return value
    return value
