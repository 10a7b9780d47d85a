"""Every operation is served, or left out for a reason; docs/coverage.md says which, and is what would be written now."""

import pytest

from rehearsal.api import unsupported
from tests.rehearsal.support import coverage, spec


@pytest.fixture
def operations() -> list[tuple[str, str]]:
    if not spec.FILE.exists():
        pytest.skip("the recordings are not here")
    return spec.operations()


def test_every_operation_is_served_or_left_out_for_a_reason(
    operations: list[tuple[str, str]],
) -> None:
    for path, method in operations:
        assert coverage.is_served(method, path) != bool(unsupported.reason(method, path)), (
            f"{method} {path}"
        )


def test_every_served_operation_is_tested() -> None:
    claimed = coverage.claims(coverage.PAGE.read_text())
    assert claimed.keys() == coverage.served().keys()
    assert [operation for operation, modules in claimed.items() if not modules] == []


def test_the_page_is_as_it_would_be_written(operations: list[tuple[str, str]]) -> None:
    text = coverage.PAGE.read_text()
    assert coverage.page(coverage.claims(text)) == text
