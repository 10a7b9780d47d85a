"""A small cloud network for packet tests, with namespaces instead of droplets and host."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from uuid import uuid4

from rehearsal.config import CloudConfig
from rehearsal.network import bridges
from rehearsal.network.firewalls import UPLINK
from rehearsal.topology.protocol import ANCHOR_NETWORK, Interface, MachineSpec, Network

VPC = Network(id="vpc-1", range=IPv4Network("10.10.0.0/20"), gateway=IPv4Address("10.10.0.1"))
BALANCER_PRIVATE = IPv4Address("10.10.0.9")

PING = """
import socket, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.settimeout(0.5)
raw.sendto(bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), (sys.argv[1], 0))
while raw.recv(100)[20] != 0:
    pass
"""
"""A Python program that sends one echo request, so that tests do not need ping."""


def run(*command: str, stdin: str | None = None) -> str:
    return subprocess.run(command, check=True, text=True, input=stdin, capture_output=True).stdout


class SmallCloud:
    """Droplets 1 to 3, the host, and the cloud's namespace between them."""

    def __init__(self, name: str) -> None:
        self.config = CloudConfig(
            name=name,
            index=15,
            machines="nspawn",
            port=1,
            token="t" * 64,
            spaces_key="key",
            spaces_secret="secret",
        )
        self.droplets = [self._spec(number) for number in (1, 2, 3)]
        self.balancer_public = self.config.public_network[30]
        self._host = f"{self.config.netns}-host"
        self._children: list[subprocess.Popen[bytes]] = []

    def place(self, droplet: MachineSpec | None) -> str:
        """Return the namespace of a droplet, or of the host for None."""
        return bridges.droplet_namespace(self.config, droplet.id) if droplet else self._host

    async def build(self) -> None:
        config, netns, prefix = self.config, self.config.netns, self.config.public_network.prefixlen
        for space in (netns, self._host):
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        run(
            "ip",
            "netns",
            "exec",
            netns,
            "sysctl",
            "-q",
            "-w",
            *(f"{key}={value}" for key, value in bridges.SYSCTLS.items()),
        )
        run("ip", "-n", netns, "link", "add", bridges.PUBLIC_BRIDGE, "type", "bridge")
        run("ip", "-n", netns, "link", "set", bridges.PUBLIC_BRIDGE, "up")
        own = [
            f"{address}/{prefix}"
            for address in (config.gateway, config.spaces_address, config.releases_address)
        ]
        for address in (
            *own,
            f"{bridges.METADATA_ADDRESS}/32",
            f"{ANCHOR_NETWORK[1]}/{ANCHOR_NETWORK.prefixlen}",
        ):
            run("ip", "-n", netns, "address", "add", address, "dev", bridges.PUBLIC_BRIDGE)
        run(
            "ip",
            "link",
            "add",
            "eth0",
            "netns",
            self._host,
            "type",
            "veth",
            "peer",
            "name",
            UPLINK,
            "netns",
            netns,
        )
        run("ip", "-n", netns, "link", "set", UPLINK, "master", bridges.PUBLIC_BRIDGE, "up")
        run(
            "ip",
            "-n",
            self._host,
            "address",
            "add",
            f"{config.host_address}/{prefix}",
            "dev",
            "eth0",
        )
        run("ip", "-n", self._host, "link", "set", "eth0", "up")
        for droplet in self.droplets:
            await bridges.connect_droplet(config, droplet)
        balancer = {
            (bridges.PUBLIC_BRIDGE, self.balancer_public, 32),
            (bridges.vpc_bridge_name(VPC.id), BALANCER_PRIVATE, 32),
        }
        await bridges.sync_addresses(config, balancer)

    def destroy(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()
        for space in (*map(self.place, self.droplets), self._host, self.config.netns):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)

    def start(
        self, place: str, *command: str, environ: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in a namespace; ``destroy`` ends it."""
        child = subprocess.Popen(
            ["ip", "netns", "exec", place, *command],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._children.append(child)
        return child

    def connects(
        self, place: str, address: IPv4Address, port: int, source: IPv4Address | str = ""
    ) -> bool:
        """Return whether a TCP connection succeeds within half a second."""
        target, local = (str(address), port), (str(source), 0)
        script = f"import socket; socket.create_connection({target!r}, 0.5, {local!r})"
        return (
            subprocess.run(
                ["ip", "netns", "exec", place, "python3", "-c", script],
                check=False,
                capture_output=True,
            ).returncode
            == 0
        )

    def pings(self, place: str, address: IPv4Address) -> bool:
        """Return whether an echo request is answered within half a second."""
        return (
            subprocess.run(
                ["ip", "netns", "exec", place, "python3", "-c", PING, str(address)],
                check=False,
                capture_output=True,
            ).returncode
            == 0
        )

    def wait_listening(self, place: str, port: int) -> None:
        """Wait up to 10 s until a process in the namespace listens on the TCP port."""
        wait_for(lambda: f":{port} " in run("ip", "netns", "exec", place, "ss", "-Hltn"))

    def _spec(self, number: int) -> MachineSpec:
        public, gateway = self.config.public_network, self.config.gateway
        return MachineSpec(
            id=number,
            name=f"droplet{number}",
            image="debian-12-x64",
            region="nyc3",
            memory_mb=512,
            vcpus=1,
            disk_gb=10,
            vpc_id=VPC.id,
            public=Interface(
                mac=f"02:00:00:00:00:0{number}",
                address=public[16 + number],
                network=public,
                gateway=gateway,
            ),
            private=Interface(
                mac=f"02:00:00:00:01:0{number}",
                address=VPC.range[1 + number],
                network=VPC.range,
                gateway=VPC.gateway,
            ),
            user_data="",
            public_keys=[],
            tags=[],
        )


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until ``condition()`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition is not true after {seconds} s"
        time.sleep(0.05)


@contextlib.contextmanager
def small_cloud(state: Path) -> Iterator[SmallCloud]:
    """Build a cloud with a unique name and its files under ``state``, and remove it at the end."""
    cloud = SmallCloud(f"t{uuid4().hex[:8]}")
    cloud.config.directory.mkdir(parents=True)
    assert cloud.config.directory.is_relative_to(state), (
        "point SLIPWAY_STATE at the test's own directory first"
    )
    try:
        asyncio.run(cloud.build())
        yield cloud
    finally:
        cloud.destroy()
