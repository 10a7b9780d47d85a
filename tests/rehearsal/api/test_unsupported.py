"""Requests for unsupported operations say why; all other operations are supported."""

import inspect
import re

from fastapi.routing import APIRoute
from pydo.operations import _operations as pydo

from rehearsal.api import unsupported
from rehearsal.api.unsupported import TABLE
from rehearsal.server import ROUTE_MODULES
from tests.rehearsal.support import spec
from tests.rehearsal.support.client import Client

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PYDO = re.compile(r'    _url = "(/v2/[^"]*)".*?HttpRequest\(\s*method="([A-Z]+)"', re.DOTALL)


def _example(path: str) -> str:
    """Return a path with a value for each parameter."""
    return re.sub(r"\{\w+\}|\*", "1", path)


def test_an_unsupported_operation_says_why(api: Client) -> None:
    for entry in TABLE:
        for method in [entry.method] if entry.method else METHODS:
            for path in {
                _example(entry.path),
                _example(entry.path) + ("" if entry.method else "/more"),
            }:
                message = api.error_message(method, path, {}, expect=404)
                assert f"does not support {method} {path}: {entry.reason}" in message
                assert unsupported.COVERAGE_PAGE in message


def test_every_operation_is_supported_or_in_the_table() -> None:
    """Operations of the OpenAPI specification, and of DigitalOcean's Python client."""
    specified = {(method, path) for path, method in spec.operations()}
    client_operations = {(method, path) for path, method in PYDO.findall(inspect.getsource(pydo))}
    assert len(client_operations) > 300
    operations = specified | client_operations
    missing = {
        (method, path)
        for method, path in operations
        if not unsupported.reason(method, _example(path)) and not _is_supported(method, path)
    }
    assert not missing


def _is_supported(method: str, path: str) -> bool:
    routes = (
        route
        for module in ROUTE_MODULES
        for route in module.router.routes
        if isinstance(route, APIRoute)
    )
    return any(
        method in (route.methods or ()) and route.path_regex.match(_example(path))
        for route in routes
    )


def test_a_path_is_compared_segment_by_segment() -> None:
    assert unsupported.reason("GET", "/v2/volumes/1")
    assert not unsupported.reason("GET", "/v2/volumes2")
    assert unsupported.reason("POST", "/v2/images")
    assert not unsupported.reason("GET", "/v2/images")
    assert not unsupported.reason("POST", "/v2/images/1/actions")
    assert unsupported.reason("GET", "/v2/droplets/1/backups/policy")
    assert not unsupported.reason("GET", "/v2/droplets/1")
    assert not unsupported.error_message("GET", "/v2/nothing")
