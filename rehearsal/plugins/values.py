"""Conversion between the engine's property values and plain Python values."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

from rehearsal.plugins.properties import Properties, State

__all__ = ["UNKNOWN", "from_engine", "has_unknown", "resolved_or_none", "to_engine"]


def from_engine(values: Mapping[str, PropertyValue]) -> State:
    """Return plain values. No emulator accepts secrets, so the engine sends none."""
    return {key: _to_plain(value) for key, value in values.items()}


def to_engine(
    values: Mapping[str, Any], properties: Properties | None = None, secrets: Collection[str] = ()
) -> dict[str, PropertyValue]:
    """Return property values.

    Keys that are secret in ``properties`` or listed in ``secrets`` are marked as secret.
    """
    secret_keys = {key for key, item in (properties or {}).items() if item.secret} | set(secrets)
    return {
        key: _to_property_value(value).with_secret(key in secret_keys and value is not None)
        for key, value in values.items()
    }


def resolved_or_none(value: Any) -> Any:
    """Return ``value``, or None if it is unknown.

    The checks that the official plugins make in a plan take an unknown value for one that is not
    set, unlike those of the inputs.
    """
    return None if value == UNKNOWN else value


def has_unknown(value: Any) -> bool:
    """Whether any part of ``value`` is unknown."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def _to_plain(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: _to_plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [_to_plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def _to_property_value(value: Any) -> PropertyValue:
    if isinstance(value, dict):
        return PropertyValue({key: _to_property_value(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([_to_property_value(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)
