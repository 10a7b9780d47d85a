"""Clouds for the stack tests: one shared and restored after each test, and a disposable one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SUMMARY
from tests.stack import traffic
from tests.stack.rig import Rig

TEST_TIMEOUT_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/stack" in str(item.path):
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


@pytest.fixture(autouse=True)
def report_traffic(request: pytest.FixtureRequest) -> Iterator[None]:
    """Report the requests sent during changes, also when the test passes."""
    yield
    for line in traffic.summaries:
        request.node.user_properties.append((SUMMARY, line))
    traffic.summaries.clear()


def _run_stack(name: str, directory: Path) -> Iterator[Rig]:
    rig = Rig(name, directory)
    try:
        rig.start()
        rig.up()
        yield rig
    finally:
        rig.stop()


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The deployed stack dev, shared by all tests; a test with this fixture changes nothing."""
    yield from _run_stack("stacktest", tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def rig(deployed: Rig) -> Iterator[Rig]:
    """The shared stack, restored after the test unless the test has proved that it is."""
    deployed.is_settled = False
    yield deployed
    if not deployed.is_settled:
        deployed.reset()
        deployed.up()


@pytest.fixture
def disposable(tmp_path: Path) -> Iterator[Rig]:
    """A deployed stack for one test alone."""
    yield from _run_stack("disposable", tmp_path)


@pytest.fixture(scope="module")
def replaceable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A deployed stack for the tests of one file, which replace its machines."""
    yield from _run_stack("replaceable", tmp_path_factory.mktemp("checkout"))
