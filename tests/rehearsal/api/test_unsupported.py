"""What is left out says so and why; what is not in the table of what is left out is served."""

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


def _asked(path: str) -> str:
    """A path with something in the place of each parameter."""
    return re.sub(r"\{\w+\}|\*", "1", path)


def test_it_says_so_and_why(api: Client) -> None:
    for entry in TABLE:
        for method in [entry.method] if entry.method else METHODS:
            for path in {
                _asked(entry.path),
                _asked(entry.path) + ("" if entry.method else "/more"),
            }:
                message = api.refusal(method, path, {}, expect=404)
                assert f"leaves out {method} {path}: {entry.reason}" in message
                assert unsupported.LIST in message


def test_every_operation_is_served_or_in_the_table() -> None:
    """Of the description, and of all that DigitalOcean's own client knows."""
    described = {(method, path) for path, method in spec.operations()}
    known = {(method, path) for path, method in PYDO.findall(inspect.getsource(pydo))}
    assert len(known) > 300
    operations = described | known
    missing = {
        (method, path)
        for method, path in operations
        if not unsupported.reason(method, _asked(path)) and not _is_served(method, path)
    }
    assert not missing


def _is_served(method: str, path: str) -> bool:
    routes = (
        route
        for room in ROUTE_MODULES
        for route in room.router.routes
        if isinstance(route, APIRoute)
    )
    return any(
        method in (route.methods or ()) and route.path_regex.match(_asked(path)) for route in routes
    )


def test_a_path_is_compared_segment_by_segment() -> None:
    assert unsupported.reason("GET", "/v2/volumes/1")
    assert not unsupported.reason("GET", "/v2/volumes2")
    assert unsupported.reason("POST", "/v2/images")
    assert not unsupported.reason("GET", "/v2/images")
    assert not unsupported.reason("POST", "/v2/images/1/actions")
    assert unsupported.reason("GET", "/v2/droplets/1/backups/policy")
    assert not unsupported.reason("GET", "/v2/droplets/1")
    assert not unsupported.refusal("GET", "/v2/nothing")
