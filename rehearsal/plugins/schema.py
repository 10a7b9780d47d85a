"""Generation of a Pulumi schema from property tables, for ``pulumi import``."""

import json
from typing import Any

from rehearsal.plugins.properties import Kind, Properties
from rehearsal.plugins.resource import C, Package


def render(package: Package[C], version: str) -> str:
    """Return the schema as JSON. It contains only what the emulator supports."""
    types: dict[str, Any] = {}
    resources = {
        kind.token: _resource(package.name, kind.token, kind.properties, types)
        for kind in package.resources
    }
    return json.dumps(
        {"name": package.name, "version": version, "resources": resources, "types": types}
    )


def _resource(
    package: str, token: str, properties: Properties, types: dict[str, Any]
) -> dict[str, Any]:
    prefix = token.rpartition(":")[2]
    inputs = {key: item for key, item in properties.items() if item.input and item.supported}
    return {
        "properties": _fields(package, prefix, properties, types),
        "required": [key for key, item in properties.items() if item.required],
        "inputProperties": _fields(package, prefix, inputs, types),
        "requiredInputs": [key for key, item in inputs.items() if item.required],
    }


def _fields(
    package: str, prefix: str, properties: Properties, types: dict[str, Any]
) -> dict[str, Any]:
    return {
        key: _type(package, prefix + key[0].upper() + key[1:], item.kind, types)
        | ({"secret": True} if item.secret else {})
        for key, item in properties.items()
    }


def _type(package: str, name: str, kind: Kind, types: dict[str, Any]) -> dict[str, Any]:
    if kind.name == "object":
        token = f"{package}:index/{name}:{name}"
        types[token] = {"type": "object", "properties": _fields(package, name, kind.fields, types)}
        return {"$ref": f"#/types/{token}"}
    if kind.name == "map" and kind.items:
        return {"type": "object", "additionalProperties": _type(package, name, kind.items, types)}
    if kind.name in ("list", "set") and kind.items:
        return {"type": "array", "items": _type(package, name, kind.items, types)}
    return {"type": kind.name}
