"""Keeps the network as the store says it should be."""

import asyncio

from rehearsal.config import CloudConfig
from rehearsal.state.store import Database
from rehearsal.topology.network_state import joined, network_state
from rehearsal.topology.protocol import Machines, NetworkState


class NetworkReconciler:
    """Applies the fabric of all accounts, one change at a time; those who wait together are served by one change."""

    def __init__(self, config: CloudConfig, database: Database, machines: Machines) -> None:
        self._config = config
        self._database = database
        self._machines = machines
        self._turn = asyncio.Lock()
        self._revision = -1
        self._applied: NetworkState | None = None

    async def reconcile(self) -> None:
        """Returns once the network is as the store is now.

        Raises:
            MachineError: it could not be made so.
        """
        if not self._machines.enforces:
            return
        wanted = self._database.revision
        async with self._turn:
            if self._revision >= wanted:
                return
            revision, wanted_fabric = self._database.revision, self._whole()
            if wanted_fabric != self._applied:
                self._applied = None
                await self._machines.apply(wanted_fabric)
                self._applied = wanted_fabric
            self._revision = revision

    def _whole(self) -> NetworkState:
        return joined(
            network_state(self._database.of(account), self._config)
            for account in self._database.accounts()
        )
