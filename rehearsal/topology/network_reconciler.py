"""Brings the network into the state that the store describes."""

import asyncio

from rehearsal.config import CloudConfig
from rehearsal.state.store import Database
from rehearsal.topology.network_state import build_network_state, merge_network_states
from rehearsal.topology.protocol import Machines, NetworkState


class NetworkReconciler:
    """Applies the network state of all accounts, one change at a time.

    Callers that wait at the same time share one change.
    """

    def __init__(self, config: CloudConfig, database: Database, machines: Machines) -> None:
        self._config = config
        self._database = database
        self._machines = machines
        self._lock = asyncio.Lock()
        self._applied_revision = -1
        self._applied: NetworkState | None = None

    async def reconcile(self) -> None:
        """Return once the network matches the store as it was at the call.

        Raises:
            MachineError: a part of the network could not be changed.
        """
        if not self._machines.has_network:
            return
        requested_revision = self._database.revision
        async with self._lock:
            if self._applied_revision >= requested_revision:
                return
            revision, desired = self._database.revision, self._desired()
            if desired != self._applied:
                self._applied = None
                await self._machines.apply(desired)
                self._applied = desired
            self._applied_revision = revision

    def _desired(self) -> NetworkState:
        return merge_network_states(
            build_network_state(self._database.store_for(account), self._config)
            for account in self._database.accounts()
        )
