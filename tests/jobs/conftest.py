"""Fixtures: a cluster of Pulumi mocks, and a Nomad server that plans."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from tests.deploy.support.certificates import CertificateAuthority
from tests.jobs.support.fake_cluster import FakeCluster
from tests.jobs.support.planner import Planner, serve_plans


@pytest.fixture
def cluster() -> FakeCluster:
    asyncio.set_event_loop(asyncio.new_event_loop())
    fake = FakeCluster()
    mocks.set_mocks(fake, project="slipway", stack="test", preview=False)
    return fake


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, pulumi.ResourceOptions]:
    """The options of each registered resource by its name; Pulumi does not pass them to mocks."""
    recorded: dict[str, pulumi.ResourceOptions] = {}
    register = pulumi.CustomResource.__init__

    def record(
        self: pulumi.CustomResource,
        t: str,
        name: str,
        props: Any = None,
        opts: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        recorded[name] = opts
        register(self, t, name, props, opts, *args, **kwargs)

    monkeypatch.setattr(pulumi.CustomResource, "__init__", record)
    return recorded


@pytest.fixture(scope="session")
def authority() -> CertificateAuthority:
    return CertificateAuthority("the stack's own")


@pytest.fixture
def planner(authority: CertificateAuthority, tmp_path: Path) -> Iterator[Planner]:
    with serve_plans(authority, tmp_path) as planner:
        yield planner
