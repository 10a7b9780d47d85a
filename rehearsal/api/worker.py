"""Runs actions in the background. An interrupted action is repeated after a restart."""

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

FIRST_ACTION_ID = 2_100_000_001

RETRY_INTERVAL_S = 1.0
"""Between two attempts to write to a full disk."""

Commit = Callable[[], None]
"""Writes the changed resource; called in the transaction that ends the action."""


class Handler:
    """The implementation of one type of action."""

    def __init__(
        self, do: Callable[[Action], Awaitable[Commit]], fail: Callable[[Action], None]
    ) -> None:
        """``fail`` writes the resource after a failure, in the transaction that ends the action."""
        self.do = do
        self.fail = fail


def droplet_of_action(store: Store, action: Action) -> Droplet:
    """Return the droplet of an action, also while it is being deleted.

    Raises:
        MachineError: the droplet does not exist any more.
    """
    droplet = store.get(Droplet, action.resource_id)
    if droplet is None:
        raise MachineError(f"droplet {action.resource_id} does not exist any more")
    return droplet


def create_action(
    store: Store,
    resource_type: Literal["droplet", "image", "reserved_ip"],
    type: str,
    resource_id: int,
    region: str,
    arguments: dict[str, Any] | None = None,
) -> Action:
    """Create an action; call in a transaction, and pass the action to ``Worker.start`` after it."""
    action = Action(
        id=store.next_id("action", FIRST_ACTION_ID),
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
    """Runs each action in a task of its own, for at least the duration in ``times``."""

    def __init__(self, store: Store, times: Times) -> None:
        self._store = store
        self._times = times
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, resource_type: str, action_type: str, handler: Handler) -> None:
        self._handlers[resource_type, action_type] = handler

    def start(self, action: Action) -> None:
        """Run an action that is in the store."""
        self.spawn(self._run(action))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background, until it ends or the API stops."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def resume(self) -> None:
        """Run the actions that were in progress when the API stopped."""
        for action in self._store.all(Action):
            if action.status is states.ActionStatus.IN_PROGRESS:
                self.start(action)

    async def stop(self) -> None:
        """Stop all tasks. Their actions stay in progress in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, action: Action) -> None:
        handler = self._handlers[action.resource_type, action.type]
        try:
            async with self._times.enforce_minimum(
                action.resource_type, action.type, action.started_at
            ):
                commit = await handler.do(action)
            await self._finish(action, commit, states.COMPLETE)
        except Exception as error:
            unexpected = None if isinstance(error, MachineError) else error
            log.error(
                "%s of %s %s failed: %s",
                action.type,
                action.resource_type,
                action.resource_id,
                error,
                exc_info=unexpected,
            )
            await self._finish(action, lambda: handler.fail(action), states.FAIL)

    async def _finish(
        self, action: Action, commit: Commit, transition: states.Transition[states.ActionStatus]
    ) -> None:
        """Store the result of an action; while the disk is full, try again."""
        while True:
            try:
                with self._store.transaction():
                    commit()
                    self._put_ended(action, transition)
                return
            except sqlite3.OperationalError as error:
                log.error("the result of action %s cannot be stored: %s", action.id, error)
                await asyncio.sleep(RETRY_INTERVAL_S)

    def _put_ended(
        self, action: Action, transition: states.Transition[states.ActionStatus]
    ) -> None:
        # The API's times sort as strings. The clock may have been set back since the start.
        completed_at = max(now(), action.started_at)
        self._store.put(
            action.model_copy(
                update={"status": transition(action.status), "completed_at": completed_at}
            )
        )
