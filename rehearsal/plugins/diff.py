"""Comparison of a resource's state with the program's inputs."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from rehearsal.plugins.properties import Kind, Properties, Property, State, select
from rehearsal.plugins.values import UNKNOWN, has_unknown


@dataclass(frozen=True)
class Difference:
    """A changed property. ``path`` may be nested, as in ``checks[0].status``."""

    path: str
    change: Literal["add", "delete", "update"] = "update"
    replaces: bool = False

    @property
    def key(self) -> str:
        """Name of the top-level property."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


def find_differences(
    properties: Properties, state: State, inputs: State, ignored: Iterable[str] = ()
) -> list[Difference]:
    """Return all differences, except for paths under ``ignored`` (``ignore_changes``)."""
    patterns = [_ignore_pattern(path) for path in ignored]
    differences = _compare_objects(properties, state, inputs, "")
    return [
        item
        for item in differences
        if not any(pattern.fullmatch(item.path) for pattern in patterns)
    ]


def is_same(item: Property, old: Any, new: Any) -> bool:
    """Whether the state's value ``old`` fulfils the input ``new``."""
    return not list(_compare(item, old, new, ""))


def is_zero(value: Any) -> bool:
    """Whether the official plugins treat ``value`` like a value that is not set."""
    return value is None or value is False or value == 0 or value in ("", [], {})


def _ignore_pattern(path: str) -> re.Pattern[str]:
    """Return a pattern for an ignored path and all paths under it; ``*`` matches any key."""
    text = re.escape(path.replace('["', ".").replace('"]', ""))
    text = text.replace(r"\[\*\]", r"\[\d+\]").replace(r"\*", r"[^.\[]+")
    return re.compile(text + r"([.\[].*)?")


def _compare_objects(
    properties: Properties, old: State, new: State, path: str
) -> Iterator[Difference]:
    for key, item in properties.items():
        if item.input:
            yield from _compare(item, old.get(key), new.get(key), f"{path}.{key}" if path else key)


def _compare(item: Property, old: Any, new: Any, path: str) -> Iterator[Difference]:
    difference = Difference(path, replaces=item.replaces)
    if new == UNKNOWN:
        yield difference
    elif new is None:
        if not item.computed and not is_zero(old):
            yield replace(difference, change="delete")
    elif old is None:
        if not is_zero(new):
            yield replace(difference, change="add")
    elif not (item.is_equivalent and item.is_equivalent(old, new)):
        wanted = item.to_state(new) if item.to_state else new
        for inner in _compare_by_kind(item.kind, old, wanted, path):
            yield replace(inner, replaces=inner.replaces or item.replaces)


def _compare_by_kind(kind: Kind, old: Any, new: Any, path: str) -> Iterator[Difference]:
    if kind.name == "object" and isinstance(old, dict) and isinstance(new, dict):
        yield from _compare_objects(kind.fields, old, new, path)
    elif kind.name == "set" and isinstance(old, list) and isinstance(new, list):
        if has_unknown(new) or _canonical_set(kind, old, new) != _canonical_set(kind, new, new):
            yield Difference(path)
    elif kind.name == "list" and kind.items and isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield Difference(path)
        else:
            for index, pair in enumerate(zip(old, new, strict=True)):
                yield from _compare(Property(kind.items), *pair, f"{path}[{index}]")
    elif old != new and not (is_zero(old) and is_zero(new)):
        yield Difference(path)


def _canonical_set(kind: Kind, values: list[Any], wanted: list[Any]) -> list[str]:
    """Return the members of a set in canonical form and order.

    Properties that the service sets are compared only if a member of ``wanted`` sets them.
    """
    items = kind.items or Kind("string")
    omitted = {
        key
        for key, item in items.fields.items()
        if item.computed
        and not any(isinstance(member, dict) and member.get(key) is not None for member in wanted)
    }
    return sorted(json.dumps(_canonical(items, value, omitted), sort_keys=True) for value in values)


def _canonical(kind: Kind, value: Any, omitted: set[str]) -> Any:
    if kind.name == "object" and isinstance(value, dict):
        members = {
            key: _canonical(kind.fields[key].kind, item, set())
            for key, item in select(kind, value).items()
            if key not in omitted
        }
        return {key: item for key, item in members.items() if not is_zero(item)}
    if kind.name == "set" and isinstance(value, list):
        return _canonical_set(kind, value, value)
    return value
