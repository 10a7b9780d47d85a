"""The description of a resource's properties, written as data by each resource module."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

State = dict[str, Any]
"""Properties as plain values: None, bool, int, float, str, list, dict; ``values.UNKNOWN`` stands for a value to come."""


@dataclass(frozen=True)
class Kind:
    """The type of a property."""

    name: Literal["string", "boolean", "integer", "number", "list", "set", "map", "object"]
    items: "Kind | None" = None
    """What a list, set or map holds."""
    fields: Mapping[str, "Property"] = field(default_factory=lambda: MappingProxyType({}))
    """What an object holds."""


STRING = Kind("string")
BOOLEAN = Kind("boolean")
INTEGER = Kind("integer")
NUMBER = Kind("number")


def list_of(items: Kind) -> Kind:
    """A list whose order counts."""
    return Kind("list", items)


def set_of(items: Kind) -> Kind:
    """A list whose order does not count: the service may return it in any order."""
    return Kind("set", items)


def map_of(items: Kind) -> Kind:
    """Names chosen by the program."""
    return Kind("map", items)


def object_of(fields: Mapping[str, "Property"]) -> Kind:
    """Names fixed by the schema."""
    return Kind("object", fields=fields)


@dataclass(frozen=True)
class Property:
    """One property, as the official schema and the official provider treat it."""

    kind: Kind
    _: KW_ONLY
    required: bool = False
    input: bool = True
    """May be set by the program; False for what only the service knows."""
    computed: bool = False
    """The service fills it in when the program leaves it out, so its absence is no change."""
    replaces: bool = False
    secret: bool = False
    auto_named: bool = False
    """Named after the resource when left out; named explicitly, a replacement deletes first."""
    supported: bool = True
    default: Any = None
    """What the official plugin fills in."""
    same: Callable[[Any, Any], bool] | None = None
    """Whether the state's value and the program's mean the same although written differently."""
    stored: Callable[[Any], Any] | None = None
    """How the state keeps the program's value."""


Properties = Mapping[str, Property]


def output(kind: Kind) -> Property:
    """A property that only the service sets."""
    return Property(kind, input=False)


def name(*, replaces: bool = False) -> Property:
    """The name of a resource, made up when left out."""
    return Property(STRING, auto_named=True, computed=True, replaces=replaces)


def select(kind: Kind, value: Any) -> Any:
    """``value`` without the engine's own keys, such as ``__defaults``."""
    if kind.name == "object" and isinstance(value, dict):
        return {
            key: select(kind.fields[key].kind, item)
            for key, item in value.items()
            if key in kind.fields
        }
    if kind.name in ("list", "set") and kind.items and isinstance(value, list):
        return [select(kind.items, item) for item in value]
    return value
