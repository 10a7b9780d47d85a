"""Holds responses against the OpenAPI description of the real API, where it is at hand."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

FILE = Path(__file__).resolve().parents[4] / "shared/reference/digitalocean-openapi-subset.json"


def check(method: str, path: str, status: int, body: Any) -> None:
    """Fails if the API does not answer this operation with that status and body; knows nothing of paths outside the description."""
    template = _template(path)
    operation = _spec()["paths"].get(template, {}).get(method.lower())
    if operation is None:
        return
    assert str(status) in operation["responses"] or status >= 400, (
        f"{method} {path} never answers {status}"
    )
    validator = _validator(template, method.lower(), str(status))
    if validator is None:
        assert body is None, f"{method} {path} answers {status} without a body"
        return
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
    assert not problems, f"{method} {path} {status}: {problems}"


def operations() -> list[tuple[str, str]]:
    """Path and method of every operation that is described."""
    return [
        (path, method.upper())
        for path, methods in _spec()["paths"].items()
        for method in methods
        if method != "parameters"
    ]


def raw() -> dict[str, Any]:
    """The description as it was published."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@cache
def _spec() -> dict[str, Any]:
    loaded: dict[str, Any] = _with_nulls(raw()) if FILE.exists() else {"paths": {}}
    return loaded


def _with_nulls(node: Any) -> Any:
    """OpenAPI's ``nullable`` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_with_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_nulls(value) for key, value in node.items()}
    if plain.pop("nullable", False) is not True:
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


def _template(path: str) -> str:
    """The described path that fits, the one with the fewest parameters; nothing if none does."""
    fitting = [
        template
        for template in _spec()["paths"]
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(fitting, key=lambda template: template.count("{"), default="")


@cache
def _validator(template: str, method: str, status: str) -> Draft4Validator | None:
    """Of an answer's body; nothing if the answer has none."""
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
        found: Any = _spec()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node
