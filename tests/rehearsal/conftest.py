"""A cloud of memory machines in a directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.config import CloudConfig
from rehearsal.limits import RateLimits
from rehearsal.machines.memory import MemoryMachines
from rehearsal.state import accounts
from rehearsal.times import Times
from tests.rehearsal.support import coverage
from tests.rehearsal.support.client import Client, running

UNLIMITED = RateLimits(per_hour=1_000_000, per_minute=1_000_000, key_lists_per_minute=1_000_000)

BRISK = Times(least=0.02)
"""Tests wait for states instead of seeing them pass by; those of times have their own."""


@pytest.fixture(scope="session", autouse=True)
def page_of_coverage(request: pytest.FixtureRequest) -> Iterator[None]:
    """What docs/coverage.md tells of tests is what the tests did, at least of those that ran."""
    yield
    options, session = request.config.option, request.session
    chosen = (
        options.keyword
        or options.markexpr
        or options.deselect
        or getattr(options, "lf", False)
        or any("::" in name for name in request.config.args)
    )
    complete = not (chosen or session.testsfailed or session.shouldstop or session.shouldfail)
    if not coverage.writing:
        assert coverage.differences(coverage.asked, complete=complete) == [], (
            "run `python -m tests.rehearsal.support.coverage`"
        )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    facts = {"token": "t" * 64, "spaces_key": "key", "spaces_secret": "secret"}
    config = CloudConfig(name="apitest", index=15, machines="memory", port=1, times=BRISK, **facts)
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
    """A client of a second account, made while the API is running."""
    client = Client(api.url, accounts.ensure(config, "other", {}).token)
    try:
        yield client
    finally:
        client.http.close()
