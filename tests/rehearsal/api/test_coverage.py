"""Each operation is either supported or unsupported for a reason; docs/coverage.md is current."""

import pytest

from rehearsal.api import unsupported
from tests.rehearsal.support import coverage, spec


@pytest.fixture
def operations() -> list[tuple[str, str]]:
    if not spec.FILE.exists():
        pytest.skip("the OpenAPI specification is not available")
    return spec.operations()


def test_each_operation_is_either_supported_or_unsupported_for_a_reason(
    operations: list[tuple[str, str]],
) -> None:
    for path, method in operations:
        assert coverage.is_supported(method, path) != bool(unsupported.reason(method, path)), (
            f"{method} {path}"
        )


def test_each_supported_operation_is_tested() -> None:
    page = coverage.parse_page(coverage.PAGE.read_text())
    assert page.keys() == coverage.supported().keys()
    assert [operation for operation, modules in page.items() if not modules] == []


def test_the_page_names_existing_test_modules() -> None:
    existing = {file.stem for folder in coverage.FOLDERS for file in folder.glob("test_*.py")}
    named = set().union(*coverage.parse_page(coverage.PAGE.read_text()).values())
    assert named - existing == set()


def test_the_page_is_current(operations: list[tuple[str, str]]) -> None:
    text = coverage.PAGE.read_text()
    assert coverage.format_page(coverage.parse_page(text)) == text
