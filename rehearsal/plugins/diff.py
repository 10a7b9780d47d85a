"""What differs between a resource's state and what the program asks for."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from rehearsal.plugins.properties import Kind, Properties, Property, State, select
from rehearsal.plugins.values import UNKNOWN, has_unknown


@dataclass(frozen=True)
class Difference:
    """One changed property; ``path`` as in ``checks[0].status``."""

    path: str
    change: Literal["add", "delete", "update"] = "update"
    replaces: bool = False

    @property
    def key(self) -> str:
        """The top-level property."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


def differences(
    properties: Properties, state: State, inputs: State, ignored: Iterable[str] = ()
) -> list[Difference]:
    """Every change from ``state`` to ``inputs``, but for the paths that the program ignores."""
    patterns = [_pattern(path) for path in ignored]
    found = _object(properties, state, inputs, "")
    return [item for item in found if not any(pattern.fullmatch(item.path) for pattern in patterns)]


def same(item: Property, old: Any, new: Any) -> bool:
    """Whether the state's value ``old`` is what ``new`` asks for."""
    return not list(_compare(item, old, new, ""))


def is_zero(value: Any) -> bool:
    """Whether the providers cannot tell ``value`` from one that was never set."""
    return value is None or value is False or value == 0 or value in ("", [], {})


def _pattern(path: str) -> re.Pattern[str]:
    """An ignored path covers all that lies under it; ``*`` stands for any index or name."""
    text = re.escape(path.replace('["', ".").replace('"]', ""))
    text = text.replace(r"\[\*\]", r"\[\d+\]").replace(r"\*", r"[^.\[]+")
    return re.compile(text + r"([.\[].*)?")


def _object(properties: Properties, old: State, new: State, path: str) -> Iterator[Difference]:
    for key, item in properties.items():
        if item.input:
            yield from _compare(item, old.get(key), new.get(key), f"{path}.{key}" if path else key)


def _compare(item: Property, old: Any, new: Any, path: str) -> Iterator[Difference]:
    found = Difference(path, replaces=item.replaces)
    if new == UNKNOWN:
        yield found
    elif new is None:
        if not item.computed and not is_zero(old):
            yield replace(found, change="delete")
    elif old is None:
        if not is_zero(new):
            yield replace(found, change="add")
    elif not (item.same and item.same(old, new)):
        for inner in _by_kind(item.kind, old, item.stored(new) if item.stored else new, path):
            yield replace(inner, replaces=inner.replaces or item.replaces)


def _by_kind(kind: Kind, old: Any, new: Any, path: str) -> Iterator[Difference]:
    if kind.name == "object" and isinstance(old, dict) and isinstance(new, dict):
        yield from _object(kind.fields, old, new, path)
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
    """Members in one order and writing; what the service fills in counts only where some wanted member sets it."""
    items = kind.items or Kind("string")
    left_out = {
        key
        for key, item in items.fields.items()
        if item.computed
        and not any(isinstance(member, dict) and member.get(key) is not None for member in wanted)
    }
    return sorted(
        json.dumps(_canonical(items, value, left_out), sort_keys=True) for value in values
    )


def _canonical(kind: Kind, value: Any, left_out: set[str]) -> Any:
    if kind.name == "object" and isinstance(value, dict):
        members = {
            key: _canonical(kind.fields[key].kind, item, set())
            for key, item in select(kind, value).items()
            if key not in left_out
        }
        return {key: item for key, item in members.items() if not is_zero(item)}
    if kind.name == "set" and isinstance(value, list):
        return _canonical_set(kind, value, value)
    return value
