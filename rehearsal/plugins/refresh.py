"""The inputs that correspond to a state that was read."""

from typing import Any

from rehearsal.plugins.check import DEFAULTS
from rehearsal.plugins.diff import is_same, is_zero
from rehearsal.plugins.properties import Kind, Properties, State, select


def refresh_inputs(properties: Properties, inputs: State, state: State) -> State:
    """Return the inputs with drifted values replaced.

    Without old inputs (an import) the result has every property that can be set and has a value.
    """
    if inputs:
        return _replace_drifted(properties, inputs, state)
    settable = {
        key: item
        for key, item in properties.items()
        if item.input and item.supported and not is_zero(state.get(key))
    }
    return {key: select(item.kind, state[key]) for key, item in settable.items()} | {DEFAULTS: []}


def _replace_drifted(properties: Properties, inputs: State, state: State) -> State:
    result: State = {}
    for key, value in inputs.items():
        item = properties.get(key)
        if item is None or is_same(item, state.get(key), value):
            result[key] = value
        elif state.get(key) is not None:
            result[key] = _read_value(item.kind, value, state[key])
    return result


def _read_value(kind: Kind, value: Any, current: Any) -> Any:
    if kind.name == "object" and isinstance(value, dict) and isinstance(current, dict):
        return _replace_drifted(kind.fields, value, current)
    if (
        kind.name == "list"
        and kind.items
        and isinstance(value, list)
        and isinstance(current, list)
        and len(value) == len(current)
    ):
        return [_read_value(kind.items, *pair) for pair in zip(value, current, strict=True)]
    return select(kind, current)
