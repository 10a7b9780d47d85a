"""Fixtures of the tests of services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.support.fake_agent import FakeAgent, fake_agent, workload_environment
from tests.services.support.program import Start, serving


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    with fake_agent() as agent:
        yield agent


@pytest.fixture
def frontserve(agent: FakeAgent, tmp_path: Path) -> Start:
    """Return a function that starts frontserve with the fake agent."""
    return lambda **env: serving(
        "frontserve", tmp_path, **workload_environment(agent, tmp_path), **env
    )
