"""The property tables against the official schemas."""

import json
from pathlib import Path
from typing import Any

import pytest

from rehearsal.plugins.properties import Kind, Properties
from rehearsal.plugins.resource import Function, Package, Resource
from tests.rehearsal.plugins.support.packages import FUNCTIONS, PACKAGES, RESOURCES
from tests.rehearsal.plugins.support.samples import name_of

REFERENCE = Path(__file__).parents[4] / "shared/reference"
WITHOUT_SCHEMA = ("random", "tls")
"""Compared with their Python SDKs in test_official_sdks.py."""


def schema(package: str) -> dict[str, Any]:
    file = REFERENCE / f"pulumi-{package}-schema.json"
    if not file.is_file():
        pytest.skip("the official schemas are not here")
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


@pytest.mark.parametrize(
    "kind",
    [kind for kind in RESOURCES if not kind.token.startswith(WITHOUT_SCHEMA)],
    ids=name_of,
)
def test_a_resource_has_the_official_properties(kind: type[Resource[Any]]) -> None:
    official = schema(kind.token.partition(":")[0])
    resource = official["resources"][kind.token]
    inputs = {key: item for key, item in kind.properties.items() if item.input}

    assert set(inputs) == set(resource["inputs"])
    assert set(kind.properties) == set(resource["inputs"]) | set(resource["outputs"])
    assert {key for key, item in inputs.items() if item.required} == set(resource["requiredInputs"])
    assert {key for key, item in inputs.items() if item.replaces} == {
        key for key, item in resource["inputs"].items() if item.get("willReplaceOnChanges")
    }
    assert {key for key, item in kind.properties.items() if item.secret} == {
        key for key, item in resource["outputs"].items() if item.get("secret")
    }
    assert {key for key, item in inputs.items() if item.auto_named} == {
        key for key in ("name",) if key in inputs and key not in resource["requiredInputs"]
    }
    for key, item in kind.properties.items():
        assert_same_type(
            item.kind,
            resource["inputs"].get(key) or resource["outputs"][key],
            official,
            supported=item.supported,
        )


@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_a_function_has_the_official_arguments(function: Function[Any]) -> None:
    official = schema(function.token.partition(":")[0])["functions"][function.token]
    assert set(function.inputs) == set(official.get("inputs", {}))
    assert function.secrets == {
        key for key, item in official["outputs"].items() if item.get("secret")
    }


@pytest.mark.parametrize(
    "package",
    [package for package in PACKAGES if package.name not in WITHOUT_SCHEMA],
    ids=lambda package: package.name,
)
def test_a_package_has_the_official_configuration(package: Package[Any]) -> None:
    official = schema(package.name)["config"]
    assert set(package.config) == set(official)
    assert {key for key, item in package.config.items() if item.secret} == {
        key for key, item in official.items() if item.get("secret")
    }


def assert_same_type(
    kind: Kind, official: dict[str, Any], schema_: dict[str, Any], *, supported: bool
) -> None:
    """Assert equal types. An unsupported property may have less detail than the schema."""
    if "oneOf" in official:
        official = official["oneOf"][0]
    if "$ref" in official:
        if supported:
            assert_same_fields(
                kind, schema_["types"][official["$ref"].removeprefix("#/types/")], schema_
            )
    elif official["type"] == "array":
        assert kind.name in ("list", "set")
        assert kind.items
        assert_same_type(kind.items, official["items"], schema_, supported=supported)
    elif official["type"] == "object":
        assert kind.name == "map"
        assert kind.items
        assert_same_type(kind.items, official["additionalProperties"], schema_, supported=supported)
    else:
        assert kind.name == official["type"]


def assert_same_fields(kind: Kind, official: dict[str, Any], schema_: dict[str, Any]) -> None:
    if "enum" in official:
        return
    fields: Properties = kind.fields
    assert set(fields) == set(official["properties"])
    assert {key for key, item in fields.items() if item.required} == set(
        official.get("required", [])
    )
    for key, item in fields.items():
        assert_same_type(item.kind, official["properties"][key], schema_, supported=item.supported)
