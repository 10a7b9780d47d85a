"""Between the engine's property values and plain Python ones."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

from rehearsal.plugins.properties import Properties, State

__all__ = ["UNKNOWN", "from_engine", "has_unknown", "to_engine"]


def from_engine(values: Mapping[str, PropertyValue]) -> State:
    """Plain values; the engine keeps the secrets apart, since no stand-in says that it accepts them."""
    return {key: _plain(value) for key, value in values.items()}


def to_engine(
    values: Mapping[str, Any], properties: Properties | None = None, secrets: Collection[str] = ()
) -> dict[str, PropertyValue]:
    """The engine's form of ``values``; what ``properties`` call secret is marked, and so are ``secrets``."""
    secret = {key for key, item in (properties or {}).items() if item.secret} | set(secrets)
    return {
        key: _wrapped(value).with_secret(key in secret and value is not None)
        for key, value in values.items()
    }


def has_unknown(value: Any) -> bool:
    """Whether any part of ``value`` is not known yet."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def _plain(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: _plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [_plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def _wrapped(value: Any) -> PropertyValue:
    if isinstance(value, dict):
        return PropertyValue({key: _wrapped(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([_wrapped(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)
