"""Every property of every resource: check, comparison, replacement, refresh and secrecy."""

from typing import Any

import pytest

from rehearsal.plugins import values
from rehearsal.plugins.check import DEFAULTS, check
from rehearsal.plugins.diff import find_differences
from rehearsal.plugins.properties import Kind
from rehearsal.plugins.refresh import refresh_inputs
from rehearsal.plugins.resource import Resource
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.packages import RESOURCES
from tests.rehearsal.plugins.support.samples import (
    NOT_SETTABLE,
    SETTABLE,
    checked,
    name_of,
    required,
    sample,
    state_of,
)


@pytest.mark.parametrize(("kind", "key"), SETTABLE, ids=name_of)
def test_a_change_is_detected_and_replaces_as_the_table_says(
    kind: type[Resource[Any]], key: str
) -> None:
    item = kind.properties[key]
    state = state_of(kind, checked(kind, required(kind) | {key: sample(item.kind, 1, key)}))
    inputs = checked(kind, required(kind) | {key: sample(item.kind, 2, key)})
    found = find_differences(kind.properties, state, inputs)
    assert {difference.key for difference in found} == {key}
    assert any(difference.replaces for difference in found) == (
        item.replaces or some_field_replaces(item.kind)
    )
    assert find_differences(kind.properties, state, inputs, [key]) == []


@pytest.mark.parametrize(("kind", "key"), SETTABLE, ids=name_of)
def test_the_same_value_is_no_change(kind: type[Resource[Any]], key: str) -> None:
    inputs = checked(kind, required(kind) | {key: sample(kind.properties[key].kind, 1, key)})
    assert find_differences(kind.properties, state_of(kind, inputs), inputs) == []


@pytest.mark.parametrize(("kind", "key"), SETTABLE, ids=name_of)
def test_an_unknown_value_is_a_change(kind: type[Resource[Any]], key: str) -> None:
    item = kind.properties[key]
    state = state_of(kind, checked(kind, required(kind) | {key: sample(item.kind, 1, key)}))
    found = find_differences(kind.properties, state, checked(kind, required(kind) | {key: UNKNOWN}))
    assert [(difference.path, difference.replaces) for difference in found] == [
        (key, item.replaces)
    ]


@pytest.mark.parametrize(("kind", "key"), SETTABLE, ids=name_of)
def test_omitting_a_property_is_a_change_unless_it_is_computed_or_has_a_default(
    kind: type[Resource[Any]], key: str
) -> None:
    item = kind.properties[key]
    if item.required:
        failures = check(kind.properties, {}, {}, "thing", b"").failures
        assert key in [failure.path for failure in failures]
        return
    state = state_of(kind, checked(kind, required(kind) | {key: sample(item.kind, 1, key)}))
    inputs = checked(kind, required(kind))
    found = find_differences(kind.properties, state, inputs)
    if item.auto_named:
        assert inputs[key].startswith("thing-")
        assert key in inputs[DEFAULTS]
    elif item.default:
        assert inputs[key] == item.default
        assert key in inputs[DEFAULTS]
    else:
        assert bool(found) == (not item.computed)


@pytest.mark.parametrize(("kind", "key"), SETTABLE, ids=name_of)
def test_a_refresh_copies_drift_to_the_inputs(kind: type[Resource[Any]], key: str) -> None:
    item = kind.properties[key]
    inputs = checked(kind, required(kind) | {key: sample(item.kind, 1, key)})
    assert refresh_inputs(kind.properties, inputs, state_of(kind, inputs)) == inputs

    drifted = state_of(kind, checked(kind, required(kind) | {key: sample(item.kind, 2, key)}))
    refreshed = refresh_inputs(kind.properties, inputs, drifted)
    assert find_differences(kind.properties, drifted, refreshed) == [] or item.to_state


@pytest.mark.parametrize(("kind", "key"), SETTABLE, ids=name_of)
def test_a_wrong_type_is_reported(kind: type[Resource[Any]], key: str) -> None:
    wrong: Any = (
        {"nested": "thing"} if kind.properties[key].kind.name not in ("object", "map") else "text"
    )
    failures = check(kind.properties, required(kind) | {key: wrong}, {}, "thing", b"").failures
    assert [(failure.path, "expected" in failure.reason) for failure in failures] == [(key, True)]


@pytest.mark.parametrize(("kind", "key"), NOT_SETTABLE, ids=name_of)
def test_a_property_that_cannot_be_set_is_refused(kind: type[Resource[Any]], key: str) -> None:
    item = kind.properties[key]
    failures = check(
        kind.properties, required(kind) | {key: sample(item.kind, 1, key)}, {}, "thing", b""
    ).failures
    expected = "does not support" if item.input else "set by the service"
    assert [(failure.path, expected in failure.reason) for failure in failures] == [(key, True)]


@pytest.mark.parametrize("kind", RESOURCES, ids=name_of)
def test_an_unknown_property_is_refused(kind: type[Resource[Any]]) -> None:
    failures = check(kind.properties, required(kind) | {"nonesuch": 1}, {}, "thing", b"").failures
    assert [(failure.path, failure.reason) for failure in failures] == [
        ("nonesuch", "'nonesuch' is not in schema")
    ]


@pytest.mark.parametrize("kind", RESOURCES, ids=name_of)
def test_secret_outputs_are_marked(kind: type[Resource[Any]]) -> None:
    state = {key: sample(item.kind, 1, key) for key, item in kind.properties.items()}
    marked = values.to_engine(state, kind.properties)
    assert {key for key, value in marked.items() if value.is_secret} == {
        key for key, item in kind.properties.items() if item.secret
    }


def some_field_replaces(kind: Kind) -> bool:
    fields = (kind.items or kind).fields
    return any(item.replaces for item in fields.values())
