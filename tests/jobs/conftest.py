"""A cluster seen from its providers: what was asked of them."""

import asyncio
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks


class FakeCluster(mocks.Mocks):
    """Records what is registered, refuses to be asked for anything."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.created[args.name] = {**args.inputs, "type": args.typ}
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"no answer prepared for {args.token}")


@pytest.fixture
def cluster() -> FakeCluster:
    asyncio.set_event_loop(asyncio.new_event_loop())
    fake = FakeCluster()
    mocks.set_mocks(fake, project="slipway", stack="test", preview=False)
    return fake


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, pulumi.ResourceOptions]:
    """The options that each resource is registered with, by its name: mocks are not told of them."""
    seen: dict[str, pulumi.ResourceOptions] = {}
    register = pulumi.CustomResource.__init__

    def remember(self: pulumi.CustomResource, t: str, name: str, props: Any = None, opts: Any = None, *rest: Any, **more: Any) -> None:
        seen[name] = opts
        register(self, t, name, props, opts, *rest, **more)

    monkeypatch.setattr(pulumi.CustomResource, "__init__", remember)
    return seen
