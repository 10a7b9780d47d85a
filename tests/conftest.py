"""Settings of every test run: interrupts, groups for parallel runs, and lines for its end.

``make test`` distributes groups of tests to processes. A group runs in one process and in order.
"""

import signal
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

SHARED_STACK = "shared stack"
MACHINES = "machines"
GROUPS = {
    "stack/test_image.py": "image",
    "stack/test_destroy.py": "image",
    "stack/test_replacements.py": "image",
    "stack/test_interrupts.py": "interrupts",
    "stack/test_large_plan.py": "large plan",
    "stack/test_machine_replacement.py": "large plan",
    "stack/test_bench.py": "large plan",
    "stack": SHARED_STACK,
    "rehearsal/machines": MACHINES,
    "rehearsal/network": MACHINES,
    "rehearsal/lifecycle": MACHINES,
    "rehearsal/clients": MACHINES,
}
"""Folder or file -> group. Tests of any other file form a group of their own.

The tests of one group share a cloud, addresses or a limit of this machine.
"""
ORDER = (SHARED_STACK, "image", "large plan", MACHINES)
"""Groups that start first, because they take longest."""
SUMMARY = "summary"
"""Property of a test: a line that is printed at the end of the run."""

_summaries: dict[str, None] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let programs that tests start receive Ctrl-C, also if this run ignores it.

    In a parallel run, shorten the temporary directory: the path of a socket has 107 characters.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        number = config.workerinput["workerid"].removeprefix("gw")
        config.option.basetemp = str(Path(config.option.basetemp).with_name(number))


@pytest.fixture
def default_hangup() -> Iterator[None]:
    """Let programs that the test starts receive SIGHUP, also in a run under ``nohup``."""
    handler = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # in a process of a parallel run
        items.sort(key=lambda item: _rank(group_of(item.nodeid)))


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Runs each group in one process; groups start in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    return GroupScheduling(config, log)


def group_of(nodeid: str) -> str:
    """Return the group of a test."""
    relative = PurePosixPath(nodeid.partition("::")[0]).relative_to("tests")
    for part in (relative, *relative.parents):
        if group := GROUPS.get(str(part)):
            return group
    return str(relative)


def _rank(group: str) -> int:
    return ORDER.index(group) if group in ORDER else len(ORDER)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect summaries; in a parallel run this is called in the process that prints them."""
    _summaries.update(
        {str(value): None for name, value in report.user_properties if name == SUMMARY}
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _summaries:
        terminalreporter.section("requests during changes")
        for line in _summaries:
            terminalreporter.write_line(line)
