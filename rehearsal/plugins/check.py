"""Checks what a program asks for against a resource's table, and fills in names and defaults."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from rehearsal.plugins.properties import Kind, Properties, State
from rehearsal.plugins.values import UNKNOWN

DEFAULTS = "__defaults"
"""Key under which the engine remembers what the plugin filled in."""


@dataclass(frozen=True)
class Failure:
    """A property that cannot be accepted."""

    path: str
    reason: str


@dataclass
class Checked:
    """The inputs as they go on, with what is wrong in them."""

    inputs: State = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def check(properties: Properties, news: State, olds: State, name: str, seed: bytes) -> Checked:
    """Validate ``news``; a missing name keeps the one made up in ``olds``, or is made up from ``name``."""
    checked = Checked()
    checked.inputs = _object(properties, news, "", checked.failures)
    for key, item in properties.items():
        if item.auto_named and key not in checked.inputs:
            kept = olds.get(key) if key in olds.get(DEFAULTS, []) else None
            checked.inputs[key] = kept or f"{name}-{_suffix(seed, name)}"
            checked.inputs[DEFAULTS].append(key)
    checked.inputs[DEFAULTS].sort()
    return checked


def _suffix(seed: bytes, name: str) -> str:
    """Seven hexadecimal digits, the same for one seed."""
    return (
        hashlib.sha256(seed + name.encode()).hexdigest()[:7] if seed else secrets.token_hex(4)[:7]
    )


def _object(properties: Properties, value: State, path: str, failures: list[Failure]) -> State:
    result: State = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        known = properties.get(key)
        if key.startswith("__") or item is None:
            continue
        if known is None:
            failures.append(Failure(where, f"'{key}' is not in schema"))
        elif not known.input:
            failures.append(
                Failure(where, f"'{key}' is set by the service; the program cannot set it")
            )
        elif not known.supported:
            failures.append(
                Failure(
                    where,
                    f"'{key}' is in the official schema, but this stand-in plugin does not support it yet",
                )
            )
        else:
            result[key] = _conform(known.kind, item, where, failures)
    for key, known in properties.items():
        if known.required and value.get(key) is None:
            where = f"{path}.{key}" if path else key
            failures.append(
                Failure(
                    where,
                    f"Missing required argument: the argument '{key}' is required, but no definition was found",
                )
            )
    filled = [key for key, item in properties.items() if item.default and key not in result]
    result.update((key, properties[key].default) for key in filled)
    result[DEFAULTS] = sorted(filled)
    return result


def _conform(kind: Kind, value: Any, path: str, failures: list[Failure]) -> Any:
    """``value`` as ``kind`` wants it; numbers and booleans written as text are read, as the official plugins do."""
    if value == UNKNOWN:
        return value
    if kind.name == "object" and isinstance(value, dict):
        return _object(kind.fields, value, path, failures)
    if kind.name == "map" and isinstance(value, dict) and kind.items:
        return {
            key: _conform(kind.items, item, f"{path}.{key}", failures)
            for key, item in value.items()
            if item is not None
        }
    if kind.name in ("list", "set") and isinstance(value, list) and kind.items:
        return [
            _conform(kind.items, item, f"{path}[{index}]", failures)
            for index, item in enumerate(value)
        ]
    scalar = _scalar(kind, value)
    if scalar is None:
        failures.append(Failure(path, f"expected {kind.name} value, got {_type_name(value)}"))
        return value
    return scalar


def _scalar(kind: Kind, value: Any) -> Any:
    """None when ``value`` cannot be one of ``kind``."""
    if kind.name == "string":
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int | float) else None
    if kind.name == "boolean":
        return (
            {"true": True, "false": False}.get(value)
            if isinstance(value, str)
            else value
            if isinstance(value, bool)
            else None
        )
    if (
        kind.name in ("integer", "number")
        and not isinstance(value, bool)
        and isinstance(value, str | int | float)
    ):
        try:
            number = float(value)
        except ValueError:
            return None
        if number.is_integer():
            return int(number)
        return number if kind.name == "number" else None
    return None


def _type_name(value: Any) -> str:
    names = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "list",
        dict: "object",
    }
    return names.get(type(value), type(value).__name__)
