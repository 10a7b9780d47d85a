"""Droplets as systemd-nspawn machines: own systemd, sshd, addresses, and the memory and CPU of their size."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.machines import processors, seed, stock
from rehearsal.machines.cgroups import Group
from rehearsal.machines.disks import Disks
from rehearsal.machines.guest_services import Inside
from rehearsal.machines.lxcfs import Lxcfs
from rehearsal.network import bridges, firewalls
from rehearsal.network.load_balancers import Balancers
from rehearsal.subprocesses import CLEAN, CommandError
from rehearsal.topology.protocol import MachineError, MachineSpec, NetworkState

BOOT = Path(__file__).with_name("boot")
SHUTDOWN_SECONDS = 60
START_SECONDS = 30
SIGRTMIN_POWEROFF = signal.SIGRTMIN + 4
"""What systemd takes as 'power off' (systemd(1), Signals)."""


class NspawnMachines:
    """Every droplet of one cloud, its network and what serves inside it."""

    enforces = True

    def __init__(self, config: CloudConfig) -> None:
        self._config = config
        self._disks = Disks(config.directory)
        self._lxcfs = Lxcfs(config.directory / "lxcfs")
        self._inside = Inside(config)
        self._balancers = Balancers(config)
        self._plugging = asyncio.Lock()

    async def start(self) -> None:
        await stock.ensure()
        await bridges.create(self._config)
        await self._lxcfs.start()
        await self._inside.start()

    async def stop(self) -> None:
        groups = [self._group(droplet_id) for droplet_id in self._disks.droplets()]
        await asyncio.gather(*(asyncio.to_thread(group.remove) for group in groups))
        await asyncio.to_thread(self._remove_top)
        await self._balancers.stop()
        await self._inside.stop()
        await self._lxcfs.stop()
        await bridges.destroy(self._config)

    def _remove_top(self) -> None:
        top = Group(self._top)
        top.remove()
        top.remove_parent()

    @property
    def _top(self) -> str:
        return f"slipway/{self._config.name}"

    def _group(self, droplet_id: int) -> Group:
        return Group(f"{self._top}/{droplet_id}")

    async def create(self, spec: MachineSpec) -> None:
        await self.destroy(spec.id)
        try:
            disk = await asyncio.to_thread(self._disks.make, spec.id, spec.image)
            await asyncio.to_thread(seed.write, disk.upper, spec, self._config.gateway)
            await self._plug(spec)
        except (CommandError, OSError) as error:
            raise MachineError(f"droplet {spec.name} cannot be made: {error}") from error
        await self.power_on(spec)

    async def _plug(self, spec: MachineSpec) -> str:
        async with self._plugging:  # two droplets must not both make the bridge of their VPC
            return await bridges.plug(self._config, spec)

    async def power_on(self, spec: MachineSpec) -> None:
        if await self.is_on(spec.id):
            return
        disk = self._disks.get(spec.id)
        group = self._group(spec.id)
        await asyncio.to_thread(group.remove)
        await asyncio.to_thread(group.make, memory_mb=spec.memory_mb, vcpus=spec.vcpus)
        netns = await self._plug(spec)
        home = self._disks.directory(spec.id)
        (home / "online").write_text(f"{processors.listed(spec.vcpus)}\n")
        nspawn = [
            "taskset",
            "--cpu-list",
            processors.seats(spec.id, spec.vcpus),
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--boot",
            f"--machine={netns}",
            f"--hostname={seed.hostname(spec.name, spec.id)}",
            f"--directory={disk.root}",
            f"--network-namespace-path={bridges.NETNS_DIR / netns}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            # Nomad's exec driver makes namespaces, control groups and keyrings of its own.
            "--capability=all",
            "--system-call-filter=@keyring",
            "--system-call-filter=bpf",
            f"--bind-ro={home / 'online'}:{seed.ONLINE}",
            *self._lxcfs.binds(),
        ]
        lower = ":".join(str(layer) for layer in disk.lower)
        with (home / "console.log").open("ab") as console:
            process = subprocess.Popen(  # the machine outlives the API: it is found again by its control group
                [BOOT, group.path, disk.root, lower, disk.upper, disk.work, *nspawn],
                env=CLEAN,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        await self._booted(spec, process)

    async def _booted(self, spec: MachineSpec, process: subprocess.Popen[bytes]) -> None:
        """Wait until the machine's first process is systemd."""
        for _ in range(START_SECONDS * 20):
            if await self.is_on(spec.id):
                return
            if process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        tail = (self._disks.directory(spec.id) / "console.log").read_text(errors="replace")[-500:]
        raise MachineError(
            f"droplet {spec.name} does not boot: {tail.strip() or 'no word from systemd-nspawn'}"
        )

    def _leader(self, droplet_id: int) -> int | None:
        """The machine's process 1, seen from here, once it is systemd."""
        for pid in self._group(droplet_id).pids():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            if fields["Name"] == "systemd" and fields["NSpid"].split()[1:] == ["1"]:
                return pid
        return None

    async def power_off(self, droplet_id: int) -> None:
        try:
            await asyncio.to_thread(self._group(droplet_id).remove)
            await bridges.unplug(
                self._config, droplet_id
            )  # who is off answers nothing, not even with a refusal
        except (CommandError, TimeoutError, OSError) as error:
            raise MachineError(f"droplet {droplet_id} cannot be powered off: {error}") from error

    async def shutdown(self, droplet_id: int) -> None:
        leader = self._leader(droplet_id)
        if leader is not None:
            os.kill(leader, SIGRTMIN_POWEROFF)
        for _ in range(SHUTDOWN_SECONDS * 10):
            if not self._group(droplet_id).pids():
                await self.power_off(droplet_id)
                return
            await asyncio.sleep(0.1)
        raise MachineError(
            f"droplet {droplet_id} is still on {SHUTDOWN_SECONDS} s after it was asked to shut down"
        )

    async def destroy(self, droplet_id: int) -> None:
        await self.power_off(droplet_id)
        try:
            await asyncio.to_thread(self._disks.remove, droplet_id)
        except OSError as error:
            raise MachineError(f"droplet {droplet_id} cannot be destroyed: {error}") from error

    async def is_on(self, droplet_id: int) -> bool:
        return self._leader(droplet_id) is not None

    async def snapshot(self, droplet_id: int, image: str) -> int:
        try:
            return await self._disks.snapshot(droplet_id, image)
        except (CommandError, OSError) as error:
            raise MachineError(f"no snapshot of droplet {droplet_id}: {error}") from error

    async def delete_image(self, image: str) -> None:
        await asyncio.to_thread(self._disks.delete_image, image)

    async def rebuild(self, spec: MachineSpec) -> None:
        await self.create(spec)

    async def resize(self, spec: MachineSpec) -> None:
        """Nothing to do now: the group is made from ``spec`` at the next start."""

    async def apply(self, network_state: NetworkState) -> None:
        async with self._plugging:
            for vpc in network_state.networks:
                await bridges.ensure_vpc(self._config, vpc.id, vpc.range, vpc.gateway)
        await self._drop_vpcs({bridges.vpc_bridge(vpc.id) for vpc in network_state.networks})
        edge = {
            (bridges.PUBLIC_BRIDGE, balancer.public, 32)
            for balancer in network_state.balancers
            if balancer.within is None
        }
        edge |= {
            (bridges.vpc_bridge(balancer.vpc_id), balancer.private, 32)
            for balancer in network_state.balancers
        }
        edge |= {
            (bridges.PUBLIC_BRIDGE, droplet.reserved, 32)
            for droplet in network_state.droplets
            if droplet.reserved
        }
        await bridges.sync_addresses(self._config, edge)
        self._inside.publish(network_state)
        await firewalls.apply(self._config, network_state)
        await self._balancers.apply(network_state)

    async def _drop_vpcs(self, wanted: set[str]) -> None:
        present = {
            link
            for link in await bridges.links(self._config)
            if link.startswith("v") and len(link) == 13
        }
        for bridge in sorted(present - wanted):
            await bridges.remove_vpc(self._config, bridge)
