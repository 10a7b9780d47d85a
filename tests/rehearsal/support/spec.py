"""Validation of responses against DigitalOcean's OpenAPI specification, where it is available."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

FILE = Path(__file__).resolve().parents[4] / "shared/reference/digitalocean-openapi-subset.json"


def check(method: str, path: str, status: int, body: Any) -> None:
    """Fail if the status or body of a response does not match the specification.

    Paths that are not in the specification are not checked.
    """
    template = _template(path)
    operation = _spec()["paths"].get(template, {}).get(method.lower())
    if operation is None:
        return
    assert str(status) in operation["responses"] or status >= 400, (
        f"{method} {path} never responds with {status}"
    )
    validator = _validator(template, method.lower(), str(status))
    if validator is None:
        assert body is None, f"{method} {path} responds with {status} and no body"
        return
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
    assert not problems, f"{method} {path} {status}: {problems}"


def operations() -> list[tuple[str, str]]:
    """Return the path and method of each specified operation."""
    return [
        (path, method.upper())
        for path, methods in _spec()["paths"].items()
        for method in methods
        if method != "parameters"
    ]


def raw() -> dict[str, Any]:
    """Return the specification as published."""
    specification: dict[str, Any] = json.loads(FILE.read_text())
    return specification


@cache
def _spec() -> dict[str, Any]:
    loaded: dict[str, Any] = _with_nulls(raw()) if FILE.exists() else {"paths": {}}
    return loaded


def _with_nulls(node: Any) -> Any:
    """Replace OpenAPI's ``nullable`` by JSON Schema."""
    if isinstance(node, list):
        return [_with_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_nulls(value) for key, value in node.items()}
    if plain.pop("nullable", False) is not True:
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


def _template(path: str) -> str:
    """Return the specified path with the fewest parameters that matches, or an empty string."""
    matching = [
        template
        for template in _spec()["paths"]
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(matching, key=lambda template: template.count("{"), default="")


@cache
def _validator(template: str, method: str, status: str) -> Draft4Validator | None:
    """Return the validator of a response body, or None for a response without body."""
    responses = _spec()["paths"][template][method]["responses"]
    content = (
        _resolve(responses.get(status) or responses["default"])
        .get("content", {})
        .get("application/json")
    )
    if content is None:
        return None
    return Draft4Validator(
        {**content["schema"], "components": _spec()["components"]}, format_checker=FormatChecker()
    )


def _resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = _spec()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node
