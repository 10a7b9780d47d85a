"""Droplets without machines, for tests of the API and for large plans."""

from rehearsal.config import CloudConfig
from rehearsal.topology.protocol import MachineSpec, NetworkState

SNAPSHOT_BYTES = 1_610_612_736
"""The size of every snapshot: 1.5 GiB."""


class MemoryMachines:
    """Completes every operation at once and stores only which machines are on."""

    has_network = False

    def __init__(self, config: CloudConfig) -> None:
        self.on: set[int] = set()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.on.clear()

    async def create(self, spec: MachineSpec) -> None:
        self.on.add(spec.id)

    async def power_on(self, spec: MachineSpec) -> None:
        self.on.add(spec.id)

    async def power_off(self, droplet_id: int) -> None:
        self.on.discard(droplet_id)

    async def shutdown(self, droplet_id: int) -> None:
        self.on.discard(droplet_id)

    async def destroy(self, droplet_id: int) -> None:
        self.on.discard(droplet_id)

    async def is_on(self, droplet_id: int) -> bool:
        return droplet_id in self.on

    async def snapshot(self, droplet_id: int, image: str) -> int:
        return SNAPSHOT_BYTES

    async def delete_image(self, image: str) -> None:
        pass

    async def rebuild(self, spec: MachineSpec) -> None:
        self.on.add(spec.id)

    async def resize(self, spec: MachineSpec) -> None:
        pass

    async def apply(self, network_state: NetworkState) -> None:
        pass
