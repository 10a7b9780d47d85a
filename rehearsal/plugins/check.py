"""Checking of inputs against a property table, and generation of names and defaults."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from rehearsal.plugins.properties import Kind, Properties, State
from rehearsal.plugins.values import UNKNOWN

DEFAULTS = "__defaults"
"""Key under which the inputs list the properties that the plugin set."""


@dataclass(frozen=True)
class Failure:
    """A property that is not valid, and why."""

    path: str
    reason: str


@dataclass
class CheckResult:
    """Completed inputs and the failures found in them."""

    inputs: State = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def check(properties: Properties, news: State, olds: State, name: str, seed: bytes) -> CheckResult:
    """Check and complete ``news``.

    A missing name is taken from ``olds`` if it was generated there, else generated from ``name``.
    """
    result = CheckResult()
    result.inputs = _object(properties, news, "", result.failures)
    for key, item in properties.items():
        if item.auto_named and key not in result.inputs:
            generated = olds.get(key) if key in olds.get(DEFAULTS, []) else None
            result.inputs[key] = generated or f"{name}-{_suffix(seed, name)}"
            result.inputs[DEFAULTS].append(key)
    result.inputs[DEFAULTS].sort()
    return result


def _suffix(seed: bytes, name: str) -> str:
    """Return seven hexadecimal digits, which depend only on the seed if there is one."""
    return (
        hashlib.sha256(seed + name.encode()).hexdigest()[:7] if seed else secrets.token_hex(4)[:7]
    )


def _object(properties: Properties, value: State, path: str, failures: list[Failure]) -> State:
    result: State = {}
    for key, item in value.items():
        item_path = f"{path}.{key}" if path else key
        definition = properties.get(key)
        if key.startswith("__") or item is None:
            continue
        if definition is None:
            failures.append(Failure(item_path, f"'{key}' is not in schema"))
        elif not definition.input:
            failures.append(
                Failure(item_path, f"'{key}' is set by the service; the program cannot set it")
            )
        elif not definition.supported:
            failures.append(
                Failure(
                    item_path,
                    f"'{key}' is in the official schema, but the provider emulator "
                    "does not support it",
                )
            )
        else:
            result[key] = _convert(definition.kind, item, item_path, failures)
    for key, definition in properties.items():
        if definition.required and value.get(key) is None:
            item_path = f"{path}.{key}" if path else key
            failures.append(
                Failure(
                    item_path,
                    f"Missing required argument: the argument '{key}' is required, "
                    "but no definition was found",
                )
            )
    defaulted = [key for key, item in properties.items() if item.default and key not in result]
    result.update((key, properties[key].default) for key in defaulted)
    result[DEFAULTS] = sorted(defaulted)
    return result


def _convert(kind: Kind, value: Any, path: str, failures: list[Failure]) -> Any:
    """Convert ``value`` to ``kind``. Like the official plugins, this parses text as numbers."""
    if value == UNKNOWN:
        return value
    if kind.name == "object" and isinstance(value, dict):
        return _object(kind.fields, value, path, failures)
    if kind.name == "map" and isinstance(value, dict) and kind.items:
        return {
            key: _convert(kind.items, item, f"{path}.{key}", failures)
            for key, item in value.items()
            if item is not None
        }
    if kind.name in ("list", "set") and isinstance(value, list) and kind.items:
        return [
            _convert(kind.items, item, f"{path}[{index}]", failures)
            for index, item in enumerate(value)
        ]
    scalar = _convert_scalar(kind, value)
    if scalar is None:
        failures.append(Failure(path, f"expected {kind.name} value, got {_type_name(value)}"))
        return value
    return scalar


def _convert_scalar(kind: Kind, value: Any) -> Any:
    """Return the converted scalar, None if ``value`` cannot be converted."""
    if kind.name == "string":
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int | float) else None
    if kind.name == "boolean":
        if isinstance(value, str):
            return {"true": True, "false": False}.get(value)
        return value if isinstance(value, bool) else None
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
