"""Property tables: how each resource module describes its properties as data."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

State = dict[str, Any]
"""Property values as plain Python values. ``values.UNKNOWN`` is a value known only later."""


@dataclass(frozen=True)
class Kind:
    """The type of a property."""

    name: Literal["string", "boolean", "integer", "number", "list", "set", "map", "object"]
    items: "Kind | None" = None
    """Type of the members of a list, set or map."""
    fields: Mapping[str, "Property"] = field(default_factory=lambda: MappingProxyType({}))
    """Properties of an object."""


STRING = Kind("string")
BOOLEAN = Kind("boolean")
INTEGER = Kind("integer")
NUMBER = Kind("number")


def list_of(items: Kind) -> Kind:
    """Return the type of a list whose order matters."""
    return Kind("list", items)


def set_of(items: Kind) -> Kind:
    """Return the type of a list whose order does not matter: a service may reorder it."""
    return Kind("set", items)


def map_of(items: Kind) -> Kind:
    """Return the type of a map, whose keys the program chooses."""
    return Kind("map", items)


def object_of(fields: Mapping[str, "Property"]) -> Kind:
    """Return the type of an object, whose keys the schema defines."""
    return Kind("object", fields=fields)


@dataclass(frozen=True)
class Property:
    """A property as the official schema and the official plugin define it."""

    kind: Kind
    _: KW_ONLY
    required: bool = False
    input: bool = True
    """Whether the program may set it. False for outputs."""
    computed: bool = False
    """Whether the service sets a value when the program does not. Omitting it is no change."""
    replaces: bool = False
    """Whether a change replaces the resource."""
    secret: bool = False
    auto_named: bool = False
    """Whether a missing value is generated from the resource name.

    With a value set by the program, a replacement deletes the old resource first.
    """
    supported: bool = True
    """Whether the emulator implements the property."""
    default: Any = None
    """Value that the official plugin sets when the program does not."""
    is_equivalent: Callable[[Any, Any], bool] | None = None
    """Compares the state's and the program's value, for values with several spellings."""
    to_state: Callable[[Any], Any] | None = None
    """Converts the program's value to the value in the state."""


Properties = Mapping[str, Property]


def output(kind: Kind) -> Property:
    """Return a property that only the service sets."""
    return Property(kind, input=False)


def name(*, replaces: bool = False) -> Property:
    """Return the name property of a resource, generated when the program sets none."""
    return Property(STRING, auto_named=True, computed=True, replaces=replaces)


def select(kind: Kind, value: Any) -> Any:
    """Return ``value`` without keys of the engine, such as ``__defaults``."""
    if kind.name == "object" and isinstance(value, dict):
        return {
            key: select(kind.fields[key].kind, item)
            for key, item in value.items()
            if key in kind.fields
        }
    if kind.name in ("list", "set") and kind.items and isinstance(value, list):
        return [select(kind.items, item) for item in value]
    return value
