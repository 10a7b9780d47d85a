"""Pulumi mocks of the Nomad and Consul providers."""

from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.runtime import mocks


class FakeCluster(mocks.Mocks):
    """Records every resource, and refuses function calls."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}
        """Inputs by resource name, with the type token as ``token``."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.created[args.name] = {**args.inputs, "token": args.typ}
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"unexpected call of {args.token}")


def run(program: Callable[[], Any]) -> None:
    """Run a Pulumi program until all its outputs are resolved."""
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK has no types
