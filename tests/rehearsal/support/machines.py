"""Memory machines that tests can delay, break or observe."""

import asyncio

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.topology.protocol import MachineError, MachineSpec, NetworkState


class HeldMachines(MemoryMachines):
    """Machines that boot only once ``held`` is false."""

    def __init__(self, config: CloudConfig) -> None:
        super().__init__(config)
        self.held = True

    async def create(self, spec: MachineSpec) -> None:
        while self.held:
            await asyncio.sleep(0.01)
        await super().create(spec)


class BrokenMachines(MemoryMachines):
    """Machines that cannot boot."""

    async def create(self, spec: MachineSpec) -> None:
        raise MachineError("no disk left")


class WatchedMachines(MemoryMachines):
    """Machines that record changes in order, and fail to apply the network while ``broken``."""

    has_network = True

    def __init__(self, config: CloudConfig) -> None:
        super().__init__(config)
        self.network_state = NetworkState()
        self.events: list[str] = []
        self.broken = False

    async def apply(self, network_state: NetworkState) -> None:
        if self.broken:
            raise MachineError("nft refuses")
        self.network_state = network_state
        self.events += [f"applied {spec.name}" for spec in network_state.droplets]

    async def create(self, spec: MachineSpec) -> None:
        await super().create(spec)
        self.events.append(f"created {spec.name}")


class StuckMachines(MemoryMachines):
    """Machines that cannot be shut down, only powered off."""

    async def shutdown(self, droplet_id: int) -> None:
        raise MachineError("still on after 60 s")


class UnstartedMachines(MemoryMachines):
    """Machines that cannot start their network."""

    async def start(self) -> None:
        raise MachineError("no bridge")
