"""Does in the background what the API has promised: each action is done, fails, or is taken up again after a crash."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from rehearsal.clock import now
from rehearsal.state import states
from rehearsal.state.records import Action, Droplet
from rehearsal.state.store import Store
from rehearsal.times import Times
from rehearsal.topology.protocol import MachineError

log = logging.getLogger("rehearsal")

FIRST_ID = 2_100_000_001

RETRY_SECONDS = 1.0
"""Between two attempts to write on a disk that is full."""
FAST = Times()

Commit = Callable[[], None]
"""Writes what has become of an action's resource; called in the transaction that ends the action."""


class Handler:
    """How one type of action is done."""

    def __init__(
        self, do: Callable[[Action], Awaitable[Commit]], fail: Callable[[Action], None]
    ) -> None:
        self.do = do
        self.fail = fail
        """Writes what becomes of the resource when the work failed; called in the transaction that ends the action."""


def droplet_of_action(store: Store, action: Action) -> Droplet:
    """The droplet that an action is about, even while it is being deleted.

    Raises:
        MachineError: it is gone
    """
    found = store.get(Droplet, action.resource_id)
    if found is None:
        raise MachineError(f"droplet {action.resource_id} is gone")
    return found


def create_action(
    store: Store,
    resource_type: Literal["droplet", "image", "reserved_ip"],
    type: str,
    resource_id: int,
    region: str,
    arguments: dict[str, Any] | None = None,
) -> Action:
    """A new action in progress, to be given to ``Worker.start`` after the transaction that this must be called in."""
    action = Action(
        id=store.next_id("action", FIRST_ID),
        type=type,
        status=states.ActionStatus.IN_PROGRESS,
        started_at=now(),
        resource_id=resource_id,
        resource_type=resource_type,
        region=region,
        arguments=arguments or {},
    )
    store.put(action)
    return action


class Worker:
    """Runs actions side by side, each in a task of its own, none faster than ``times`` allow."""

    def __init__(self, store: Store, times: Times = FAST) -> None:
        self._store = store
        self._times = times
        self._works: dict[tuple[str, str], Handler] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, resource_type: str, action_type: str, work: Handler) -> None:
        self._works[resource_type, action_type] = work

    def start(self, action: Action) -> None:
        """Do an action that is in the store."""
        self.spawn(self._run(action))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the background until it ends or the API does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def resume(self) -> None:
        """Take up again what was in progress when the API ended."""
        for action in self._store.all(Action):
            if action.status is states.ActionStatus.IN_PROGRESS:
                self.start(action)

    async def stop(self) -> None:
        """Leave off; what is in progress stays so in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, action: Action) -> None:
        work = self._works[action.resource_type, action.type]
        try:
            async with self._times.enforce_minimum(
                action.resource_type, action.type, action.started_at
            ):
                outcome = await work.do(action)
            await self._keep(action, outcome, states.COMPLETED)
        except Exception as error:
            bug = None if isinstance(error, MachineError) else error
            log.error(
                "%s of %s %s failed: %s",
                action.type,
                action.resource_type,
                action.resource_id,
                error,
                exc_info=bug,
            )
            await self._keep(action, lambda: work.fail(action), states.ERRORED)

    async def _keep(
        self, action: Action, outcome: Commit, step: states.Step[states.ActionStatus]
    ) -> None:
        """Write what has become of it, at once or as soon as the disk takes it."""
        while True:
            try:
                with self._store.write():
                    outcome()
                    self._end(action, step)
                return
            except sqlite3.OperationalError as error:
                log.error("the end of action %s cannot be stored yet: %s", action.id, error)
                await asyncio.sleep(RETRY_SECONDS)

    def _end(self, action: Action, step: states.Step[states.ActionStatus]) -> None:
        """Times in the API's form sort as text; a clock that was set back ends nothing before it began."""
        ended = max(now(), action.started_at)
        self._store.put(
            action.model_copy(update={"status": step(action.status), "completed_at": ended})
        )
