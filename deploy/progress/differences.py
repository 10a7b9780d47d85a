"""Old and new values of the properties that a step changes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.automation.events import PropertyDiff, StepEventMetadata, StepEventStateMetadata
from pulumi.runtime.rpc import UNKNOWN

from deploy.stack import IS_SECRET, SECRET, SECRET_SIGNATURE

MAX_VALUE_LENGTH = 72
UNKNOWN_VALUE = "(known after up)"
ABSENT = "(none)"

_PATH_PART = re.compile(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)')
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One property: its path in the resource, and both values as text."""

    property: str
    old: str
    new: str
    forces_replacement: bool = False


def differences(step: StepEventMetadata) -> tuple[Difference, ...]:
    """Return what a step changes; secret values are ``[secret]``.

    The provider's detailed diff names the properties. Without one, the step's own lists do, and
    without those every input, or else output, that differs.
    """
    if not (step.old and step.new):
        return ()
    found: dict[str, Difference] = {}
    inputs_differ = bool(_differing(step.old.inputs, step.new.inputs))
    for path, diff in _changed_paths(step).items():
        from_inputs = diff.input_diff if diff else inputs_differ
        change = diff.diff_kind.value if diff else ""
        old = _look_up(step.old, path, inputs_first=from_inputs)
        new = _look_up(step.new, path, inputs_first=inputs_differ)
        if change.startswith("add"):
            old = _MISSING
        elif change.startswith("delete"):
            new = _MISSING
        top_level = str(_parts(path)[0])
        replaces = top_level in (step.keys or ()) or change.endswith("replace")
        for difference in _compare(path, old, new, replaces):
            found.setdefault(difference.property, difference)
    return tuple(found[path] for path in sorted(found))


def _changed_paths(step: StepEventMetadata) -> Mapping[str, PropertyDiff | None]:
    if step.detailed_diff:
        return step.detailed_diff
    if step.diffs:
        return dict.fromkeys([*step.diffs, *(step.keys or ())])
    assert step.old and step.new
    names = _differing(step.old.inputs, step.new.inputs)
    if not names and step.new.outputs:
        # A refresh changes outputs only.
        names = _differing(step.old.outputs, step.new.outputs)
    return dict.fromkeys([*(step.keys or ()), *names])


def _differing(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[str]:
    old, new = old or {}, new or {}
    return [
        name
        for name in sorted({*old, *new})
        if not name.startswith("__") and old.get(name, _MISSING) != new.get(name, _MISSING)
    ]


def _look_up(state: StepEventStateMetadata, path: str, *, inputs_first: bool) -> Any:
    sides = [state.inputs or {}, state.outputs or {}]
    for side in sides if inputs_first else reversed(sides):
        value: Any = side
        for part in _parts(path):
            try:
                value = value if _is_secret(value) else value[part]
            except (KeyError, IndexError, TypeError):
                value = _MISSING
                break
        if value is not _MISSING:
            return value
    return _MISSING


def _parts(path: str) -> list[str | int]:
    """Return the keys and indexes of a path such as ``tags[0].name``."""
    return [
        int(index) if index else quoted or name for quoted, index, name in _PATH_PART.findall(path)
    ] or [path]


def _compare(path: str, old: Any, new: Any, replaces: bool) -> Iterator[Difference]:
    """Yield the differences of two values; maps, lists and JSON texts are compared inside."""
    if _is_secret(old) or _is_secret(new):
        yield Difference(path, SECRET, SECRET, replaces)
        return
    old_value, new_value = _decoded(old), _decoded(new)
    if isinstance(old_value, dict) and isinstance(new_value, dict):
        keys = {*old_value, *new_value}
        names = {key: f"{path}.{key}" for key in sorted(keys) if not str(key).startswith("__")}
        pairs = {
            name: (old_value.get(key, _MISSING), new_value.get(key, _MISSING))
            for key, name in names.items()
        }
    elif isinstance(old_value, list) and isinstance(new_value, list):
        pairs = {
            f"{path}[{index}]": (_item(old_value, index), _item(new_value, index))
            for index in range(max(len(old_value), len(new_value)))
        }
    else:
        yield Difference(path, *_texts(old, new), replaces)
        return
    for name, (before, after) in pairs.items():
        if before != after:
            yield from _compare(name, before, after, replaces)


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _MISSING


def _is_secret(value: Any) -> bool:
    return value == SECRET or (isinstance(value, dict) and value.get(SECRET_SIGNATURE) == IS_SECRET)


def _decoded(value: Any) -> Any:
    """Return a JSON text of a map or list decoded, anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _texts(old: Any, new: Any) -> tuple[str, str]:
    """Return both values as texts of at most ``MAX_VALUE_LENGTH`` characters.

    Long texts are cut so that the first difference stays visible.
    """
    texts = [_text(value) for value in (old, new)]
    start = 0
    if max(map(len, texts)) > MAX_VALUE_LENGTH:
        pairs = enumerate(zip(*texts, strict=False))
        first = next((index for index, (a, b) in pairs if a != b), min(map(len, texts)))
        start = max(0, first - MAX_VALUE_LENGTH // 3)
    first_text, second_text = (_cut(text, start) for text in texts)
    return first_text, second_text


def _text(value: Any) -> str:
    if value is _MISSING or value is None:
        return ABSENT
    if value == UNKNOWN:
        return UNKNOWN_VALUE
    return SECRET if _is_secret(value) else json.dumps(value, ensure_ascii=False)


def _cut(text: str, start: int) -> str:
    end = start + MAX_VALUE_LENGTH
    return ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")
