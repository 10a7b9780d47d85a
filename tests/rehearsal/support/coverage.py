"""docs/coverage.md: the API's operations, whether they are supported, and which tests request them.

``python -m tests.rehearsal.support.coverage`` runs the API tests and writes the page. Each test run
compares the page with the requests of its modules.
"""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from rehearsal.api import unsupported
from rehearsal.server import ROUTE_MODULES
from tests.rehearsal.support import spec

PAGE = Path(__file__).parents[3] / "docs/coverage.md"
FOLDERS = tuple(
    Path(__file__).parents[1] / name for name in ("api", "resources", "state", "topology")
)
"""Folders of the tests whose requests count."""

EXCLUDED = ("api/test_coverage.py", "api/test_conformance.py")
"""Tests that test no particular operation."""

INTRODUCTION = """# Coverage of the API

<!-- Written by `python -m tests.rehearsal.support.coverage`: do not edit. -->

This page lists the operations of DigitalOcean's API. For each supported operation it names the
test modules that request it; for each unsupported one it gives the reason.

The tests validate each response against DigitalOcean's OpenAPI specification. `make conformance`
sends 20,000 generated requests and validates their responses as well.
[rehearsal.md](rehearsal.md) describes what the emulator simulates, and how.

"""

requested: dict[str, set[str]] = defaultdict(set)
"""Supported operations, and the test modules of this process that have requested them."""

writing = False
"""Whether this run writes the page."""


def record_request(method: str, path: str) -> None:
    """Attribute a request to the test module that runs."""
    module = Path(os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0])
    operation = _find_operation(method, path)
    if operation and module.parent.name in {folder.name for folder in FOLDERS}:
        requested[operation].add(module.stem)


@cache
def supported() -> dict[str, re.Pattern[str]]:
    """Return each operation, such as ``GET /v2/droplets/{droplet_id}``, with its path's pattern.

    Operations without path parameters come first, because their paths match other patterns too.
    """
    routes = [
        (method, route.path)
        for module in ROUTE_MODULES
        for route in module.router.routes
        for method in route.methods
    ]
    default_project = [
        (method, path.replace("{project_id}", "default"))
        for method, path in routes
        if "{project_id}" in path and method != "DELETE"
    ]
    ordered = sorted([*routes, *default_project], key=lambda route: (route[1].count("{"), route[1]))
    return {
        f"{method} {path}": re.compile(f"{method} {re.sub(r'{[^}]+}', '[^/]+', path)}")
        for method, path in ordered
    }


def is_supported(method: str, path: str) -> bool:
    """Return whether an operation is supported; names of path parameters may differ."""
    plain = re.sub(r"\{\w+\}", "{}", f"{method} {path}")
    return any(re.sub(r"\{[^}]+\}", "{}", operation) == plain for operation in supported())


def _find_operation(method: str, path: str) -> str:
    return next(
        (name for name, pattern in supported().items() if pattern.fullmatch(f"{method} {path}")),
        "",
    )


def parse_page(text: str) -> dict[str, set[str]]:
    """Return the supported operations of a page, with their test modules."""
    rows = re.findall(r"^\| `([^`]+)` \| supported \| (.*) \|$", text, re.MULTILINE)
    return {
        operation: set(filter(None, modules.replace("`", "").split(", ")))
        for operation, modules in rows
    }


def format_page(tested: Mapping[str, set[str]]) -> str:
    """Return the page. ``tested`` has the test modules of each supported operation."""
    rows = {
        name: f"| `{name}` | supported | {_format_modules(tested.get(name, set()))} |"
        for name in supported()
    }
    for path, method in spec.operations():
        if not is_supported(method, path):
            rows[f"{method} {path}"] = (
                f"| `{method} {path}` | unsupported: {unsupported.reason(method, path)} | |"
            )
    table = [
        "| operation | state | tested by |",
        "|---|---|---|",
        *(rows[operation] for operation in sorted(rows, key=lambda row: row.split(" ")[::-1])),
    ]
    unsupported_paths = [
        "## Unsupported paths",
        "",
        "| path, with all paths below it | reason |",
        "|---|---|",
        *(
            f"| `{f'{entry.method} {entry.path}'.strip()}` | {entry.reason} |"
            for entry in unsupported.TABLE
        ),
    ]
    return INTRODUCTION + "\n".join([*table, "", *unsupported_paths]) + "\n"


def _format_modules(modules: set[str]) -> str:
    return ", ".join(f"`{module}`" for module in sorted(modules))


def differences(module: str, *, is_complete: bool) -> list[str]:
    """Return how the page differs from the requests of a test module in this process.

    An operation that the module did not request counts only if all of its tests ran.
    """
    page = parse_page(PAGE.read_text())
    claimed = {operation for operation, modules in page.items() if module in modules}
    tested = {operation for operation, modules in requested.items() if module in modules}
    missing = [f"{operation} is tested by {module}" for operation in sorted(tested - claimed)]
    stale = [f"{operation} is not tested by {module}" for operation in sorted(claimed - tested)]
    return missing + (stale if is_complete else [])


def main() -> int:
    if not spec.FILE.exists():
        print(
            f"{spec.FILE} does not exist: it holds DigitalOcean's OpenAPI specification, which is "
            "not part of the repository.",
            file=sys.stderr,
        )
        return 2
    global writing
    writing = True
    code = pytest.main(
        [
            "-q",
            "-p",
            "no:cacheprovider",
            "--no-header",
            *map(str, FOLDERS),
            *(f"--ignore={FOLDERS[0].parent / name}" for name in EXCLUDED),
        ]
    )
    if code == 0:
        PAGE.write_text(format_page(requested))
    return int(code)


if __name__ == "__main__":
    from tests.rehearsal.support import coverage

    sys.exit(coverage.main())
