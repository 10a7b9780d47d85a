"""The provider that every stand-in shares: tables in, engine's protocol out."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import schema, values
from rehearsal.plugins.check import DEFAULTS, check
from rehearsal.plugins.deadline import Clock
from rehearsal.plugins.config import read_config
from rehearsal.plugins.diff import Difference, differences
from rehearsal.plugins.errors import PartialFailureError, PluginError
from rehearsal.plugins.refresh import inputs_after_read
from rehearsal.plugins.resource import C, Change, Package, Resource
from rehearsal.plugins.properties import Properties, State, object_of, select

WORKERS = 128
"""Operations side by side; the engine's ``--parallel`` is usually far below."""

READ_SECONDS = 1200.0

R = TypeVar("R")

_KINDS = {
    ("add", False): engine.PropertyDiffKind.ADD,
    ("add", True): engine.PropertyDiffKind.ADD_REPLACE,
    ("delete", False): engine.PropertyDiffKind.DELETE,
    ("delete", True): engine.PropertyDiffKind.DELETE_REPLACE,
    ("update", False): engine.PropertyDiffKind.UPDATE,
    ("update", True): engine.PropertyDiffKind.UPDATE_REPLACE,
}


class StandIn(engine.Provider, Generic[C]):
    """Serves one package to the engine."""

    def __init__(self, package: Package[C], version: str) -> None:
        self._package = package
        self._version = version
        self._resources = {kind.token: kind for kind in package.resources}
        self._functions = {function.token: function for function in package.functions}
        self._client: C | None = None
        self._stopped = threading.Event()
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix=package.name)

    async def get_schema(self, request: engine.GetSchemaRequest) -> engine.GetSchemaResponse:
        return engine.GetSchemaResponse(schema.render(self._package, self._version))

    async def cancel(self) -> None:
        self._stopped.set()

    async def check_config(self, request: engine.CheckRequest) -> engine.CheckResponse:
        failures = read_config(
            self._package.config, values.from_engine(request.new_inputs)
        ).failures
        return engine.CheckResponse(
            request.new_inputs, [engine.CheckFailure(item.path, item.reason) for item in failures]
        )

    async def diff_config(self, request: engine.DiffRequest) -> engine.DiffResponse:
        """Leaves the comparison to the engine: changed configuration is an update, never a replacement."""
        return engine.DiffResponse(changes=None)

    async def configure(self, request: engine.ConfigureRequest) -> engine.ConfigureResponse:
        config = read_config(self._package.config, values.from_engine(request.args))
        if config.failures:
            raise PluginError("; ".join(item.reason for item in config.failures))
        self._client = await self._in_thread(lambda: self._package.connect(config.inputs))
        return engine.ConfigureResponse(accept_secrets=False, supports_preview=True)

    async def check(self, request: engine.CheckRequest) -> engine.CheckResponse:
        kind = self._kind(request.type)
        olds, news = values.from_engine(request.old_inputs), values.from_engine(request.new_inputs)
        checked = check(kind.properties, news, olds, request.name, request.random_seed)
        failures = checked.failures or (
            self._resource(request.type).check(checked.inputs) if self._client is not None else []
        )
        return engine.CheckResponse(
            values.to_engine(checked.inputs, kind.properties),
            [engine.CheckFailure(item.path, f"{request.name}: {item.reason}") for item in failures],
        )

    async def diff(self, request: engine.DiffRequest) -> engine.DiffResponse:
        resource = self._resource(request.type)
        old, inputs = values.from_engine(request.old_state), values.from_engine(request.new_inputs)
        new = _complete(resource.properties, inputs)
        found = differences(resource.properties, old, new, request.ignore_changes)
        found = await self._in_thread(lambda: resource.plan(old, new, found))
        replaces = sorted({item.key for item in found if item.replaces})
        return engine.DiffResponse(
            changes=bool(found),
            replaces=replaces,
            delete_before_replace=bool(replaces) and _named_by_program(resource.properties, inputs),
            diffs=sorted({item.key for item in found}),
            detailed_diff={
                item.path: engine.PropertyDiff(_KINDS[item.change, item.replaces], False)
                for item in found
            },
        )

    async def create(self, request: engine.CreateRequest) -> engine.CreateResponse:
        resource = self._resource(request.type)
        inputs = values.from_engine(request.properties)
        change = self._change(
            "",
            {},
            _complete(resource.properties, inputs),
            request.timeout or resource.timeouts.create,
        )
        state = await self._in_thread(
            lambda: self._create(resource, change, inputs, request.preview)
        )
        return engine.CreateResponse(change.id, values.to_engine(state, resource.properties))

    def _create(self, resource: Resource[C], change: Change, inputs: State, preview: bool) -> State:
        plan = _planned(resource.properties, {}, change.new)
        resource.plan({}, change.new, [])
        if preview:
            return plan
        return self._applied(
            resource, change, inputs, _known(plan), lambda: resource.create(change)
        )

    async def update(self, request: engine.UpdateRequest) -> engine.UpdateResponse:
        resource = self._resource(request.type)
        inputs = values.from_engine(request.news)
        old, new = values.from_engine(request.olds), _complete(resource.properties, inputs)
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
        found = resource.plan(
            change.old,
            change.new,
            differences(resource.properties, change.old, change.new, ignored),
        )
        change.changed = frozenset(item.key for item in found)
        plan = _planned(resource.properties, change.old, change.new, found)
        if preview:
            return plan
        return self._applied(
            resource,
            change,
            inputs,
            {**change.old, **_known(plan)},
            lambda: resource.update(change),
        )

    def _applied(
        self,
        resource: Resource[C],
        change: Change,
        inputs: State,
        state: State,
        apply: Callable[[], None],
    ) -> State:
        """The state after ``apply``; once the resource exists, a failure keeps what is known of it."""
        try:
            apply()
            state |= change.learned
            found = resource.read(change.id, state) if resource.reads_back else {}
            if found is None:
                raise PluginError(f"{resource.token} '{change.id}' is gone right after it was made")
            return state | found | {"id": change.id}
        except PluginError as error:
            if not change.id:
                raise
            known = (change.old or state) | change.learned
            with_facts = known | _facts(resource, change.id, known) | {"id": change.id}
            raise PartialFailureError(str(error), change.id, with_facts, inputs) from error

    async def read(self, request: engine.ReadRequest) -> engine.ReadResponse:
        resource = self._resource(request.type)
        state = values.from_engine(request.properties)
        found = await self._in_thread(lambda: resource.read(request.resource_id, state))
        if found is None:
            return engine.ReadResponse()
        state = state | {"id": request.resource_id} | found
        inputs = inputs_after_read(resource.properties, values.from_engine(request.inputs), state)
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
            raise PluginError(f"function {request.tok} is not supported by this stand-in plugin")
        checked = check(function.inputs, values.from_engine(request.args), {}, "", b"")
        checked.inputs.pop(DEFAULTS)
        if checked.failures:
            return engine.InvokeResponse(
                failures=[engine.CheckFailure(item.path, item.reason) for item in checked.failures]
            )
        result = await self._in_thread(lambda: function.call(self._connected(), checked.inputs))
        return engine.InvokeResponse(values.to_engine(result, secrets=function.secrets))

    def _connected(self) -> C:
        if self._client is None:
            raise PluginError(f"the {self._package.name} provider is not configured yet")
        return self._client

    def _kind(self, token: str) -> type[Resource[C]]:
        kind = self._resources.get(
            token.rpartition("$")[2]
        )  # a child's type in its URN begins with its parents'
        if kind is None:
            raise PluginError(f"resource {token} is not supported by this stand-in plugin")
        return kind

    def _resource(self, token: str) -> Resource[C]:
        return self._kind(token)(self._connected())

    def _change(self, resource_id: str, old: State, new: State, seconds: float) -> Change:
        return Change(resource_id, old, new, frozenset(new), Clock(seconds, self._stopped))

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _complete(properties: Properties, inputs: State) -> State:
    """The inputs without the engine's keys and with the defaults that the official plugins keep to themselves."""
    defaults = {
        key: item.default
        for key, item in properties.items()
        if item.default is not None and item.input
    }
    chosen: State = select(object_of(properties), inputs)
    return defaults | chosen


def _planned(
    properties: Properties, old: State, new: State, found: list[Difference] | None = None
) -> State:
    """The state to come, as far as it is known before anything is done."""
    kept = {
        key: old.get(key, values.UNKNOWN)
        for key, item in properties.items()
        if not item.input or item.computed
    }
    unknown = {item.key: values.UNKNOWN for item in found or [] if not properties[item.key].input}
    stored = {key: _stored(properties, key, value) for key, value in new.items()}
    return kept | unknown | stored


def _stored(properties: Properties, key: str, value: Any) -> Any:
    keep = properties[key].stored
    return keep(value) if keep and value != values.UNKNOWN else value


def _known(state: State) -> State:
    return {key: value for key, value in state.items() if not values.has_unknown(value)}


def _facts(resource: Resource[C], resource_id: str, state: State) -> State:
    """What the service says of a resource whose change failed; nothing when it cannot be asked."""
    try:
        return resource.read(resource_id, state) or {}
    except PluginError:
        return {}


def _named_by_program(properties: Properties, inputs: Mapping[str, Any]) -> bool:
    """Two resources of one explicit name cannot exist side by side, so the old one goes first."""
    return any(
        item.auto_named and key not in inputs.get(DEFAULTS, []) for key, item in properties.items()
    )
