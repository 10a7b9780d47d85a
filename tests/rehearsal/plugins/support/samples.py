"""Sample values for every property of every resource, generated from the property types."""

from typing import Any

from rehearsal.plugins.check import check
from rehearsal.plugins.properties import Kind, State
from rehearsal.plugins.resource import Resource
from tests.rehearsal.plugins.support.packages import RESOURCES

Case = tuple[type[Resource[Any]], str]

SETTABLE: list[Case] = [
    (kind, key)
    for kind in RESOURCES
    for key, item in kind.properties.items()
    if item.input and item.supported
]
NOT_SETTABLE: list[Case] = [
    (kind, key)
    for kind in RESOURCES
    for key, item in kind.properties.items()
    if not (item.input and item.supported)
]
TEXTS = {"jobspec": '{"Job": {"ID": "job-%d"}}', "configJson": '{"Protocol": "p%d"}'}


def name_of(value: object) -> str:
    """Return the test id of a resource, a function or a property."""
    return str(getattr(value, "token", value)).rpartition(":")[2]


def sample(kind: Kind, number: int, key: str = "") -> Any:
    """Return the sample value with a number (1 or 2) for a property type."""
    if kind.name == "object":
        return {
            name: sample(item.kind, number, name)
            for name, item in kind.fields.items()
            if item.input and item.supported
        }
    if kind.items and kind.name == "map":
        return {"key": sample(kind.items, number)}
    if kind.items:
        return [sample(kind.items, number)]
    scalars: dict[str, Any] = {"boolean": number == 1, "integer": number, "number": number + 0.5}
    return scalars.get(kind.name, TEXTS[key] % number if key in TEXTS else f"text-{number}")


def required(kind: type[Resource[Any]]) -> State:
    return {
        key: sample(item.kind, 1, key) for key, item in kind.properties.items() if item.required
    }


def checked(kind: type[Resource[Any]], news: State) -> State:
    result = check(kind.properties, news, {}, "thing", b"seed")
    assert result.failures == []
    return result.inputs


def state_of(kind: type[Resource[Any]], inputs: State) -> State:
    """Return the state of a resource with these inputs."""
    items = kind.properties
    to_state = {key: items[key].to_state for key in inputs if key in items}
    return {key: keep(inputs[key]) if keep else inputs[key] for key, keep in to_state.items()}
