"""A driver that calls an emulator like the engine does, with plain values."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import values
from rehearsal.plugins.provider import ProviderEmulator
from rehearsal.plugins.resource import Package

State = dict[str, Any]


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:dev::slipway::{token}::{name}"


@dataclass(frozen=True)
class Diff:
    keys: list[str]
    paths: list[str]
    replaces: list[str]
    delete_first: bool


class Driver:
    """A configured emulator."""

    def __init__(self, package: Package[Any], config: Mapping[str, Any]) -> None:
        self.plugin = ProviderEmulator(package, "1.0.0")
        asyncio.run(
            self.plugin.configure(engine.ConfigureRequest({}, values.to_engine(config), True, True))
        )

    def check(
        self, token: str, news: State, olds: State | None = None, name: str = "thing"
    ) -> tuple[State, list[str]]:
        """Return the inputs and the failures as ``property: reason``."""
        request = engine.CheckRequest(
            urn(token, name), values.to_engine(olds or {}), values.to_engine(news), b"seed"
        )
        response = asyncio.run(self.plugin.check(request))
        return values.from_engine(response.inputs or {}), [
            f"{item.property}: {item.reason}" for item in response.failures or []
        ]

    def inputs(self, token: str, news: State, olds: State | None = None) -> State:
        """Return the checked inputs. There must be no failures."""
        inputs, failures = self.check(token, news, olds)
        assert not failures, failures
        return inputs

    def create(
        self, token: str, news: State, *, preview: bool = False, seconds: float = 0
    ) -> tuple[str, State]:
        request = engine.CreateRequest(
            urn(token, "thing"), values.to_engine(self.inputs(token, news)), seconds, preview
        )
        response = asyncio.run(self.plugin.create(request))
        return response.resource_id or "", values.from_engine(response.properties)

    def diff(self, token: str, state: State, news: State, ignored: Sequence[str] = ()) -> Diff:
        request = engine.DiffRequest(
            urn(token, "thing"),
            "1",
            values.to_engine(state),
            values.to_engine(self.inputs(token, news)),
            list(ignored),
        )
        response = asyncio.run(self.plugin.diff(request))
        assert response.changes == bool(response.diffs)
        return Diff(
            response.diffs,
            sorted(response.detailed_diff),
            response.replaces,
            response.delete_before_replace,
        )

    def update(
        self,
        token: str,
        resource_id: str,
        state: State,
        news: State,
        *,
        preview: bool = False,
        seconds: float = 0,
    ) -> State:
        request = engine.UpdateRequest(
            urn(token, "thing"),
            resource_id,
            values.to_engine(state),
            values.to_engine(self.inputs(token, news)),
            seconds,
            [],
            preview,
        )
        return values.from_engine(asyncio.run(self.plugin.update(request)).properties)

    def read(
        self, token: str, resource_id: str, state: State | None = None, inputs: State | None = None
    ) -> tuple[str, State, State]:
        """Return id (empty if the resource does not exist), state and inputs."""
        request = engine.ReadRequest(
            urn(token, "thing"),
            resource_id,
            values.to_engine(state or {}),
            values.to_engine(inputs or {}),
        )
        response = asyncio.run(self.plugin.read(request))
        return (
            response.resource_id or "",
            values.from_engine(response.properties),
            values.from_engine(response.inputs),
        )

    def delete(self, token: str, resource_id: str, state: State) -> None:
        asyncio.run(
            self.plugin.delete(
                engine.DeleteRequest(urn(token, "thing"), resource_id, values.to_engine(state), 0)
            )
        )

    def invoke(self, token: str, args: State) -> State:
        response = asyncio.run(
            self.plugin.invoke(engine.InvokeRequest(token, values.to_engine(args)))
        )
        assert not response.failures
        return values.from_engine(response.return_value or {})
