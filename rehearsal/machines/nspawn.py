"""Droplets as systemd-nspawn machines, each with its own systemd, sshd, addresses and limits."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.machines import cpu_affinity, seed, stock
from rehearsal.machines.cgroups import Group
from rehearsal.machines.console import Console
from rehearsal.machines.disks import Disks
from rehearsal.machines.guest_services import GuestServices
from rehearsal.machines.lxcfs import Lxcfs
from rehearsal.network import bridges, firewalls
from rehearsal.network.load_balancers import LoadBalancers
from rehearsal.polling import wait_until_async
from rehearsal.subprocesses import CHILD_ENVIRONMENT, CommandError
from rehearsal.topology.protocol import MachineError, MachineSpec, NetworkState

BOOT_SCRIPT = Path(__file__).with_name("boot")
START_TIMEOUT_S = 30
SHUTDOWN_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
SIGRTMIN_POWEROFF = signal.SIGRTMIN + 4
"""The signal with which systemd powers off (systemd(1), Signals)."""


class NspawnMachines:
    """The droplets of one cloud, their network and the services in it."""

    has_network = True

    def __init__(self, config: CloudConfig) -> None:
        self._config = config
        self._disks = Disks(config.directory)
        self._lxcfs = Lxcfs(config.directory / "lxcfs")
        self._guest_services = GuestServices(config)
        self._load_balancers = LoadBalancers(config)
        self._bridge_lock = asyncio.Lock()
        self._consoles: dict[int, Console] = {}

    async def start(self) -> None:
        await stock.ensure()
        await bridges.create_network(self._config)
        await self._lxcfs.start()
        await self._guest_services.start()

    async def stop(self) -> None:
        groups = [self._group(droplet_id) for droplet_id in self._disks.droplets()]
        await asyncio.gather(*(asyncio.to_thread(group.remove) for group in groups))
        await asyncio.to_thread(self._remove_cloud_group)
        await self._load_balancers.stop()
        await self._guest_services.stop()
        await self._lxcfs.stop()
        await bridges.delete_network(self._config)

    def _remove_cloud_group(self) -> None:
        group = Group(self._cloud_group)
        group.remove()
        group.remove_parent()

    @property
    def _cloud_group(self) -> str:
        return f"slipway/{self._config.name}"

    def _group(self, droplet_id: int) -> Group:
        return Group(f"{self._cloud_group}/{droplet_id}")

    async def create(self, spec: MachineSpec) -> None:
        await self.destroy(spec.id)
        try:
            disk = await asyncio.to_thread(self._disks.create, spec.id, spec.image)
            await asyncio.to_thread(seed.write, disk.upper, spec, self._config.gateway)
            await self._connect(spec)
        except (CommandError, OSError) as error:
            raise MachineError(f"droplet {spec.name} cannot be created: {error}") from error
        await self.power_on(spec)

    async def _connect(self, spec: MachineSpec) -> str:
        async with self._bridge_lock:  # two droplets must not both create the bridge of their VPC
            return await bridges.connect_droplet(self._config, spec)

    async def power_on(self, spec: MachineSpec) -> None:
        if await self.is_on(spec.id):
            return
        group = self._group(spec.id)
        await asyncio.to_thread(group.remove)
        await asyncio.to_thread(group.create, memory_mb=spec.memory_mb, vcpus=spec.vcpus)
        command = self._nspawn_command(spec, await self._connect(spec))
        disk = self._disks.get(spec.id)
        lower = ":".join(str(layer) for layer in disk.lower)
        console = self._consoles[spec.id] = Console(
            spec.name, self._disks.directory(spec.id) / "console.log"
        )
        with console.file.open("ab") as output:
            # The machine outlives the API, which finds it again by its control group.
            process = subprocess.Popen(
                [BOOT_SCRIPT, group.path, disk.root, lower, disk.upper, disk.work, *command],
                env=CHILD_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        await wait_until_async(
            lambda: self._find_init(spec.id) is not None or process.poll() is not None,
            START_TIMEOUT_S,
            POLL_INTERVAL_S,
        )
        if not await self.is_on(spec.id):
            raise MachineError(f"droplet {spec.name} does not boot: {console.tail()}")
        console.watch_boot()

    def _nspawn_command(self, spec: MachineSpec, netns: str) -> list[str]:
        home = self._disks.directory(spec.id)
        online = home / "online"
        online.write_text(f"{cpu_affinity.format_visible(spec.vcpus)}\n")
        return [
            "taskset",
            "--cpu-list",
            cpu_affinity.select_processors(spec.id, spec.vcpus),
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--boot",
            f"--machine={netns}",
            f"--hostname={seed.hostname(spec.name, spec.id)}",
            f"--directory={home / 'root'}",
            f"--network-namespace-path={bridges.NETNS_DIR / netns}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            # Nomad's exec driver creates namespaces, control groups and keyrings.
            "--capability=all",
            "--system-call-filter=@keyring",
            "--system-call-filter=bpf",
            f"--bind-ro={online}:{seed.ONLINE_FILE}",
            *self._lxcfs.bind_options(),
        ]

    def _find_init(self, droplet_id: int) -> int | None:
        """Return the host's process ID of the machine's systemd; None if it does not run."""
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
        if console := self._consoles.pop(droplet_id, None):
            console.stop()
        try:
            await asyncio.to_thread(self._group(droplet_id).remove)
            # Without a network the address answers nothing, not even "connection refused".
            await bridges.disconnect_droplet(self._config, droplet_id)
        except (CommandError, TimeoutError, OSError) as error:
            raise MachineError(f"droplet {droplet_id} cannot be powered off: {error}") from error

    async def shutdown(self, droplet_id: int) -> None:
        init = self._find_init(droplet_id)
        if init is not None:
            os.kill(init, SIGRTMIN_POWEROFF)
        group = self._group(droplet_id)
        if not await wait_until_async(
            lambda: not group.pids(), SHUTDOWN_TIMEOUT_S, POLL_INTERVAL_S
        ):
            raise MachineError(
                f"droplet {droplet_id} is still on {SHUTDOWN_TIMEOUT_S} s after a shutdown request"
            )
        await self.power_off(droplet_id)

    async def destroy(self, droplet_id: int) -> None:
        await self.power_off(droplet_id)
        try:
            await asyncio.to_thread(self._disks.remove, droplet_id)
        except OSError as error:
            raise MachineError(f"droplet {droplet_id} cannot be destroyed: {error}") from error

    async def is_on(self, droplet_id: int) -> bool:
        return self._find_init(droplet_id) is not None

    async def snapshot(self, droplet_id: int, image: str) -> int:
        try:
            return await self._disks.snapshot(droplet_id, image)
        except (CommandError, OSError) as error:
            raise MachineError(f"droplet {droplet_id} cannot be copied: {error}") from error

    async def delete_image(self, image: str) -> None:
        await asyncio.to_thread(self._disks.delete_image, image)

    async def rebuild(self, spec: MachineSpec) -> None:
        await self.create(spec)

    async def resize(self, spec: MachineSpec) -> None:
        """Do nothing: the next start creates the control group from its ``spec``."""

    async def apply(self, network_state: NetworkState) -> None:
        async with self._bridge_lock:
            for vpc in network_state.networks:
                await bridges.ensure_vpc_bridge(self._config, vpc.id, vpc.range, vpc.gateway)
        await bridges.delete_other_vpc_bridges(
            self._config, {vpc.id for vpc in network_state.networks}
        )
        await bridges.sync_addresses(self._config, _service_addresses(network_state))
        await self._guest_services.publish(network_state)
        await firewalls.apply(self._config, network_state)
        await self._load_balancers.apply(network_state)


def _service_addresses(network_state: NetworkState) -> set[bridges.LinkAddress]:
    """Return the addresses of load balancers, and the reserved ones, with their bridges."""
    public = bridges.PUBLIC_BRIDGE
    balancers = network_state.load_balancers
    return {
        *(
            (public, balancer.public, 32)
            for balancer in balancers
            if balancer.internal_network is None
        ),
        *(
            (bridges.vpc_bridge_name(balancer.vpc_id), balancer.private, 32)
            for balancer in balancers
        ),
        *(
            (public, droplet.reserved_ip, 32)
            for droplet in network_state.droplets
            if droplet.reserved_ip
        ),
    }
