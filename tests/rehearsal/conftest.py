"""Fixtures: a cloud with memory machines, in a temporary directory, and clients of its API."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.state import accounts
from rehearsal.times import Times
from tests.rehearsal.support import coverage
from tests.rehearsal.support.client import UNLIMITED, Client, running

SHORT_TIMES = Times(least=0.02)
"""Tests wait for states, so changes may be fast. Tests of durations set their own."""


_started: Counter[Path] = Counter()
"""The number of tests of each module that this process has started."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    _started[item.path] += 1


@pytest.fixture(scope="module", autouse=True)
def coverage_page(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare docs/coverage.md with the requests of each module, also if it runs alone."""
    yield
    session, path = request.session, request.path
    if path.parent not in coverage.FOLDERS or coverage.writing:
        return
    options = request.config.option
    is_selection = (
        options.keyword
        or options.markexpr
        or options.deselect
        or getattr(options, "lf", False)
        or any("::" in name for name in request.config.args)
    )
    has_stopped = session.testsfailed or session.shouldstop or session.shouldfail
    # Several processes may share the tests of one module.
    ran_all = _started[path] == sum(item.path == path for item in session.items)
    is_complete = ran_all and not is_selection and not has_stopped
    assert coverage.differences(path.stem, is_complete=is_complete) == [], (
        "run `python -m tests.rehearsal.support.coverage`"
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    credentials = {"token": "t" * 64, "spaces_key": "key", "spaces_secret": "secret"}
    config = CloudConfig(
        name="apitest", index=15, machines="memory", port=1, times=SHORT_TIMES, **credentials
    )
    config.save()
    return config


@pytest.fixture
def machines(config: CloudConfig) -> MemoryMachines:
    return MemoryMachines(config)


@pytest.fixture
def api(config: CloudConfig, machines: MemoryMachines) -> Iterator[Client]:
    with running(config, machines, UNLIMITED) as client:
        yield client


@pytest.fixture
def other(api: Client, config: CloudConfig) -> Iterator[Client]:
    """A client of a second account, which is created while the API runs."""
    client = Client(api.url, accounts.create_or_update(config, "other", {}).token)
    try:
        yield client
    finally:
        client.http.close()
