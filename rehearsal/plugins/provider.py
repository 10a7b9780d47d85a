"""The provider shared by all emulators: serves a package of property tables to the engine."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import schema, values
from rehearsal.plugins.check import DEFAULTS, check
from rehearsal.plugins.config import read_config
from rehearsal.plugins.deadline import Deadline
from rehearsal.plugins.diff import Difference, find_differences
from rehearsal.plugins.errors import PartialFailureError, PluginError
from rehearsal.plugins.properties import Properties, State, object_of, select
from rehearsal.plugins.refresh import refresh_inputs
from rehearsal.plugins.resource import C, Change, Package, Resource

MAX_WORKERS = 128
"""Concurrent operations; the engine's ``--parallel`` is usually far lower."""

R = TypeVar("R")

_DIFF_KINDS = {
    ("add", False): engine.PropertyDiffKind.ADD,
    ("add", True): engine.PropertyDiffKind.ADD_REPLACE,
    ("delete", False): engine.PropertyDiffKind.DELETE,
    ("delete", True): engine.PropertyDiffKind.DELETE_REPLACE,
    ("update", False): engine.PropertyDiffKind.UPDATE,
    ("update", True): engine.PropertyDiffKind.UPDATE_REPLACE,
}


class ProviderEmulator(engine.Provider, Generic[C]):
    """A provider that serves one package to the engine."""

    def __init__(self, package: Package[C], version: str) -> None:
        self._package = package
        self._version = version
        self._resources = {kind.token: kind for kind in package.resources}
        self._functions = {function.token: function for function in package.functions}
        self._client: C | None = None
        self._cancelled = threading.Event()
        self._executor = ThreadPoolExecutor(MAX_WORKERS, thread_name_prefix=package.name)

    async def get_schema(self, request: engine.GetSchemaRequest) -> engine.GetSchemaResponse:
        return engine.GetSchemaResponse(schema.render(self._package, self._version))

    async def cancel(self) -> None:
        self._cancelled.set()

    async def check_config(self, request: engine.CheckRequest) -> engine.CheckResponse:
        failures = read_config(
            self._package.config, values.from_engine(request.new_inputs)
        ).failures
        return engine.CheckResponse(
            request.new_inputs, [engine.CheckFailure(item.path, item.reason) for item in failures]
        )

    async def diff_config(self, request: engine.DiffRequest) -> engine.DiffResponse:
        """Leave the comparison to the engine, so that a change never replaces resources."""
        return engine.DiffResponse(changes=None)

    async def configure(self, request: engine.ConfigureRequest) -> engine.ConfigureResponse:
        config = read_config(self._package.config, values.from_engine(request.args))
        if config.failures:
            raise PluginError("; ".join(item.reason for item in config.failures))
        self._client = await self._in_thread(lambda: self._package.connect(config.inputs))
        return engine.ConfigureResponse(accept_secrets=False, supports_preview=True)

    async def check(self, request: engine.CheckRequest) -> engine.CheckResponse:
        kind = self._resource_type(request.type)
        olds, news = values.from_engine(request.old_inputs), values.from_engine(request.new_inputs)
        result = check(kind.properties, news, olds, request.name, request.random_seed)
        failures = result.failures
        if not failures and self._client is not None:
            failures = self._resource(request.type).check(result.inputs)
        return engine.CheckResponse(
            values.to_engine(result.inputs, kind.properties),
            [engine.CheckFailure(item.path, f"{request.name}: {item.reason}") for item in failures],
        )

    async def diff(self, request: engine.DiffRequest) -> engine.DiffResponse:
        resource = self._resource(request.type)
        old, inputs = values.from_engine(request.old_state), values.from_engine(request.new_inputs)
        new = _with_defaults(resource.properties, inputs)
        differences = find_differences(resource.properties, old, new, request.ignore_changes)
        differences = await self._in_thread(lambda: resource.plan(old, new, differences))
        replaces = sorted({item.key for item in differences if item.replaces})
        return engine.DiffResponse(
            changes=bool(differences),
            replaces=replaces,
            delete_before_replace=bool(replaces)
            and _has_explicit_name(resource.properties, inputs),
            diffs=sorted({item.key for item in differences}),
            detailed_diff={
                item.path: engine.PropertyDiff(_DIFF_KINDS[item.change, item.replaces], False)
                for item in differences
            },
        )

    async def create(self, request: engine.CreateRequest) -> engine.CreateResponse:
        resource = self._resource(request.type)
        inputs = values.from_engine(request.properties)
        change = self._change(
            "",
            {},
            _with_defaults(resource.properties, inputs),
            request.timeout or resource.timeouts.create,
        )
        state = await self._in_thread(
            lambda: self._create(resource, change, inputs, request.preview)
        )
        return engine.CreateResponse(change.id, values.to_engine(state, resource.properties))

    def _create(self, resource: Resource[C], change: Change, inputs: State, preview: bool) -> State:
        plan = _planned_state(resource.properties, {}, change.new)
        resource.plan({}, change.new, [])
        if preview:
            return plan
        return self._apply(
            resource, change, inputs, _without_unknown(plan), lambda: resource.create(change)
        )

    async def update(self, request: engine.UpdateRequest) -> engine.UpdateResponse:
        resource = self._resource(request.type)
        inputs = values.from_engine(request.news)
        old, new = values.from_engine(request.olds), _with_defaults(resource.properties, inputs)
        change = self._change(
            request.resource_id, old, new, request.timeout or resource.timeouts.update
        )
        ignored = list(request.ignore_changes)
        state = await self._in_thread(
            lambda: self._update(resource, change, inputs, ignored, request.preview)
        )
        return engine.UpdateResponse(values.to_engine(state, resource.properties))

    def _update(
        self,
        resource: Resource[C],
        change: Change,
        inputs: State,
        ignored: list[str],
        preview: bool,
    ) -> State:
        differences = find_differences(resource.properties, change.old, change.new, ignored)
        differences = resource.plan(change.old, change.new, differences)
        change.changed = frozenset(item.key for item in differences)
        plan = _planned_state(resource.properties, change.old, change.new, differences)
        if preview:
            return plan
        return self._apply(
            resource,
            change,
            inputs,
            {**change.old, **_without_unknown(plan)},
            lambda: resource.update(change),
        )

    def _apply(
        self,
        resource: Resource[C],
        change: Change,
        inputs: State,
        state: State,
        operation: Callable[[], None],
    ) -> State:
        """Run ``operation`` and return the new state.

        Raises:
            PartialFailureError: the operation failed after the resource was created.
        """
        try:
            operation()
            state |= change.outputs
            current = resource.read(change.id, state) if resource.reads_back else {}
            if current is None:
                raise PluginError(f"{resource.token} '{change.id}' disappeared after the change")
            return state | current | {"id": change.id}
        except PluginError as error:
            if not change.id:
                raise
            state = (change.old or state) | change.outputs
            state |= _read_after_failure(resource, change.id, state) | {"id": change.id}
            raise PartialFailureError(str(error), change.id, state, inputs) from error

    async def read(self, request: engine.ReadRequest) -> engine.ReadResponse:
        resource = self._resource(request.type)
        state = values.from_engine(request.properties)
        current = await self._in_thread(lambda: resource.read(request.resource_id, state))
        if current is None:
            return engine.ReadResponse()
        state = state | {"id": request.resource_id} | current
        inputs = refresh_inputs(resource.properties, values.from_engine(request.inputs), state)
        properties = resource.properties
        return engine.ReadResponse(
            state["id"], values.to_engine(state, properties), values.to_engine(inputs, properties)
        )

    async def delete(self, request: engine.DeleteRequest) -> None:
        resource = self._resource(request.type)
        old = values.from_engine(request.properties)
        change = self._change(
            request.resource_id, old, {}, request.timeout or resource.timeouts.delete
        )
        await self._in_thread(lambda: resource.delete(change))

    async def invoke(self, request: engine.InvokeRequest) -> engine.InvokeResponse:
        function = self._functions.get(request.tok)
        if function is None:
            raise PluginError(f"function {request.tok} is not supported by the provider emulator")
        result = check(function.inputs, values.from_engine(request.args), {}, "", b"")
        result.inputs.pop(DEFAULTS)
        if result.failures:
            return engine.InvokeResponse(
                failures=[engine.CheckFailure(item.path, item.reason) for item in result.failures]
            )
        output = await self._in_thread(
            lambda: function.call(self._configured_client(), result.inputs)
        )
        return engine.InvokeResponse(values.to_engine(output, secrets=function.secrets))

    def _configured_client(self) -> C:
        if self._client is None:
            raise PluginError(f"the {self._package.name} provider is not configured yet")
        return self._client

    def _resource_type(self, token: str) -> type[Resource[C]]:
        # The type of a child resource is PARENT_TYPE$TYPE.
        kind = self._resources.get(token.rpartition("$")[2])
        if kind is None:
            raise PluginError(f"resource {token} is not supported by the provider emulator")
        return kind

    def _resource(self, token: str) -> Resource[C]:
        return self._resource_type(token)(self._configured_client())

    def _change(self, resource_id: str, old: State, new: State, seconds: float) -> Change:
        return Change(resource_id, old, new, frozenset(new), Deadline(seconds, self._cancelled))

    async def _in_thread(self, operation: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, operation)


def _with_defaults(properties: Properties, inputs: State) -> State:
    """Return the inputs without keys of the engine and with all defaults."""
    defaults = {
        key: item.default
        for key, item in properties.items()
        if item.default is not None and item.input
    }
    selected: State = select(object_of(properties), inputs)
    return defaults | selected


def _planned_state(
    properties: Properties, old: State, new: State, differences: list[Difference] | None = None
) -> State:
    """Return the state after a change, with UNKNOWN for outputs that are not known yet."""
    outputs = {
        key: old.get(key, values.UNKNOWN)
        for key, item in properties.items()
        if not item.input or item.computed
    }
    changed_outputs = {
        item.key: values.UNKNOWN for item in differences or [] if not properties[item.key].input
    }
    inputs = {key: _convert_input(properties, key, value) for key, value in new.items()}
    return outputs | changed_outputs | inputs


def _convert_input(properties: Properties, key: str, value: Any) -> Any:
    to_state = properties[key].to_state
    return to_state(value) if to_state and value != values.UNKNOWN else value


def _without_unknown(state: State) -> State:
    return {key: value for key, value in state.items() if not values.has_unknown(value)}


def _read_after_failure(resource: Resource[C], resource_id: str, state: State) -> State:
    """Return the properties of a resource whose change failed, nothing if the read fails."""
    try:
        return resource.read(resource_id, state) or {}
    except PluginError:
        return {}


def _has_explicit_name(properties: Properties, inputs: Mapping[str, Any]) -> bool:
    """Whether the program sets the name: then the old resource must be deleted first."""
    return any(
        item.auto_named and key not in inputs.get(DEFAULTS, []) for key, item in properties.items()
    )
