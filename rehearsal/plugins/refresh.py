"""What a program would have written to get the state that a read found."""

from typing import Any

from rehearsal.plugins.check import DEFAULTS
from rehearsal.plugins.diff import is_zero, same
from rehearsal.plugins.properties import Kind, Properties, State, select


def inputs_after_read(properties: Properties, inputs: State, state: State) -> State:
    """The old inputs with their drifted values replaced; without old inputs (an import), all that can be set."""
    if inputs:
        return _refreshed(properties, inputs, state)
    settable = {
        key: item
        for key, item in properties.items()
        if item.input and item.supported and not is_zero(state.get(key))
    }
    return {key: select(item.kind, state[key]) for key, item in settable.items()} | {DEFAULTS: []}


def _refreshed(properties: Properties, inputs: State, state: State) -> State:
    result: State = {}
    for key, value in inputs.items():
        item = properties.get(key)
        if item is None or same(item, state.get(key), value):
            result[key] = value
        elif state.get(key) is not None:
            result[key] = _value(item.kind, value, state[key])
    return result


def _value(kind: Kind, value: Any, found: Any) -> Any:
    if kind.name == "object" and isinstance(value, dict) and isinstance(found, dict):
        return _refreshed(kind.fields, value, found)
    if (
        kind.name == "list"
        and kind.items
        and isinstance(value, list)
        and isinstance(found, list)
        and len(value) == len(found)
    ):
        return [_value(kind.items, *pair) for pair in zip(value, found, strict=True)]
    return select(kind, found)
