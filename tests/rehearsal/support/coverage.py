"""docs/coverage.md: the API's operations, what the cloud does with each, and which tests ask for it.

``python -m tests.rehearsal.support.coverage`` runs the tests of the API and writes the page; a test run holds it against what it saw.
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
"""Of the tests whose requests count."""

OTHERS = ("api/test_coverage.py", "api/test_conformance.py")
"""Tests that ask for no operation by themselves."""

INTRODUCTION = """# Coverage of the API

<!-- Written by `python -m tests.rehearsal.support.coverage`: do not edit. -->

Every operation of the API that the rehearsal cloud serves, and those of DigitalOcean's description that it leaves out, with the reason.
Each answer that the tests receive is held against that description, and `make conformance` sends 20,000 requests made from it.
What is simulated and how is told in [rehearsal.md](rehearsal.md).

"""

asked: dict[str, set[str]] = defaultdict(set)
"""Served operations, and the test modules that asked for them in this run."""


writing = False
"""Whether this run is made to write the page."""


def note(method: str, path: str) -> None:
    """A request that a test makes."""
    module = Path(os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0])
    operation = _operation(method, path)
    if operation and module.parent.name in {folder.name for folder in FOLDERS}:
        asked[operation].add(module.stem)


@cache
def served() -> dict[str, re.Pattern[str]]:
    """Operations by their written form, such as ``GET /v2/droplets/{droplet_id}``, and what their path looks like; fixed ones first."""
    routes = [
        (method, route.path)
        for room in ROUTE_MODULES
        for route in room.router.routes
        for method in route.methods
    ]
    default = [
        (method, path.replace("{project_id}", "default"))
        for method, path in routes
        if "{project_id}" in path and method != "DELETE"
    ]
    found = sorted([*routes, *default], key=lambda route: (route[1].count("{"), route[1]))
    return {
        f"{method} {path}": re.compile(f"{method} {re.sub(r'{[^}]+}', '[^/]+', path)}")
        for method, path in found
    }


def is_served(method: str, path: str) -> bool:
    """Whether an operation of the description is served, whatever its parameters are called."""
    plain = re.sub(r"\{\w+\}", "{}", f"{method} {path}")
    return any(re.sub(r"\{[^}]+\}", "{}", operation) == plain for operation in served())


def _operation(method: str, path: str) -> str:
    return next(
        (name for name, pattern in served().items() if pattern.fullmatch(f"{method} {path}")), ""
    )


def claims(text: str) -> dict[str, set[str]]:
    """The served operations of a page, and the modules that it says test them."""
    rows = re.findall(r"^\| `([^`]+)` \| served \| (.*) \|$", text, re.MULTILINE)
    return {
        operation: set(filter(None, modules.replace("`", "").split(", ")))
        for operation, modules in rows
    }


def page(tested: Mapping[str, set[str]]) -> str:
    """The page, with the modules that test each served operation."""
    rows = {
        operation: f"| `{operation}` | served | {_listed(tested.get(operation, set()))} |"
        for operation in served()
    }
    for path, method in spec.operations():
        if not is_served(method, path):
            rows[f"{method} {path}"] = (
                f"| `{method} {path}` | left out: {unsupported.reason(method, path)} | |"
            )
    ordered = sorted(rows, key=lambda operation: operation.split(" ")[::-1])
    table = [
        "| operation | state | tested by |",
        "|---|---|---|",
        *(rows[operation] for operation in ordered),
    ]
    families = [
        f"| `{f'{entry.method} {entry.path}'.strip()}` | {entry.reason} |"
        for entry in unsupported.TABLE
    ]
    beyond = [
        "## All that is left out",
        "",
        "| path, with all below it | reason |",
        "|---|---|",
        *families,
    ]
    return INTRODUCTION + "\n".join([*table, "", *beyond]) + "\n"


def _listed(modules: set[str]) -> str:
    return ", ".join(f"`{module}`" for module in sorted(modules))


def differences(tested: Mapping[str, set[str]], *, complete: bool) -> list[str]:
    """What the page says otherwise than a test run: of its modules all, if each was run as a whole."""
    claimed, ran = claims(PAGE.read_text()), set().union(*tested.values())
    missing = [
        f"{operation} is tested by {module}"
        for operation, modules in tested.items()
        for module in modules - claimed[operation]
    ]
    stale = [
        f"{operation} is not tested by {module}"
        for operation, modules in claimed.items()
        for module in (modules & ran) - tested.get(operation, set())
    ]
    return missing + (stale if complete else [])


def main() -> int:
    if not spec.FILE.exists():
        print(
            f"The API's description is not at hand: {spec.FILE.name} is kept outside the checkout.",
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
            *(f"--ignore={FOLDERS[0].parent / name}" for name in OTHERS),
        ]
    )
    if code == 0:
        PAGE.write_text(page(asked))
    return int(code)


if __name__ == "__main__":
    from tests.rehearsal.support import coverage

    sys.exit(coverage.main())
