"""Clouds for the stack tests: one that is shared and put back in order, and one to break for good."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import traffic
from tests.stack.rig import Rig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/stack" in str(item.path):
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.timeout(900))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The requests made during changes are told in good runs too."""
    if traffic.figures:
        terminalreporter.section("requests while something changed")
        for line in traffic.figures:
            terminalreporter.write_line(line)


def _rig(name: str, directory: Path) -> Iterator[Rig]:
    rig = Rig(name, directory)
    try:
        rig.start()
        rig.up()
        yield rig
    finally:
        rig.stop()


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The stack dev as it stands, running in a cloud that the tests share."""
    yield from _rig("stacktest", tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def rig(deployed: Rig) -> Iterator[Rig]:
    """The shared stack; what a test changed in it is put back after it."""
    yield deployed
    deployed.reset()
    deployed.up()


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Rig]:
    """A running stack for one test alone."""
    yield from _rig("doomed", tmp_path)
