"""What the API asks of the machines behind droplets, and what it tells the network around them.

The rooms decide what should be; a machine kind makes it so. ``MachineSpec`` describes one droplet,
``NetworkState`` everything that the network enforces: who may talk to whom, and which balancer forwards where.
"""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

ANCHORS = IPv4Network("10.229.0.0/16")
"""Where droplets have their anchor addresses; its first is their gateway."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interface(Frozen):
    """One network card of a droplet."""

    mac: str
    address: IPv4Address
    network: IPv4Network
    gateway: IPv4Address


class MachineSpec(Frozen):
    """One droplet, as the machine behind it must be."""

    id: int
    name: str
    image: str
    """A stock image's slug, or the id of a snapshot."""
    region: str
    memory_mb: int
    vcpus: int
    disk_gb: int
    vpc_id: str
    public: Interface
    private: Interface
    user_data: str
    public_keys: list[str]
    tags: list[str]
    reserved: IPv4Address | None = None
    """The reserved address that points to it."""

    @property
    def anchor(self) -> IPv4Interface:
        """Its second public address, in the same place of a network of its own: what is sent to a reserved address arrives here."""
        place = int(self.public.address) & int(self.public.network.hostmask)
        return IPv4Interface((ANCHORS[place], ANCHORS.prefixlen))

    @property
    def addresses(self) -> list[IPv4Address]:
        """By which others reach it."""
        return [
            self.public.address,
            self.private.address,
            *([self.anchor.ip] if self.reserved else []),
        ]


class Rule(Frozen):
    """Traffic that a firewall lets pass. ``ports`` is ``all``, ``22`` or ``8000-9000``; unused for icmp."""

    protocol: Literal["tcp", "udp", "icmp"]
    ports: str
    peers: list[IPv4Network]
    """Sources of an inbound rule, destinations of an outbound one; droplets, tags and balancers are resolved."""


class Firewalled(Frozen):
    """A droplet under at least one firewall: what no rule lets pass is dropped."""

    droplet_id: int
    addresses: list[IPv4Address]
    inbound: list[Rule]
    outbound: list[Rule]


class Network(Frozen):
    """One VPC."""

    id: str
    range: IPv4Network
    gateway: IPv4Address


class Forward(Frozen):
    """One forwarding rule of a balancer. TLS that passes through is ``tcp`` for the one who forwards it."""

    entry_protocol: Literal["http", "https", "http2", "tcp"]
    entry_port: int
    target_protocol: Literal["http", "https", "http2", "tcp"]
    target_port: int
    certificate: str = ""
    """The id of the certificate with which TLS ends at the balancer."""


class HealthCheck(Frozen):
    """How a balancer proves its targets; seconds and counts as in the API."""

    protocol: Literal["http", "https", "tcp"]
    port: int
    path: str
    interval: int
    timeout: int
    unhealthy: int
    healthy: int


class Balancer(Frozen):
    """One load balancer: it listens on ``public`` and reaches its targets from ``private``."""

    id: str
    public: IPv4Address
    """Of an internal one its private address, too."""
    private: IPv4Address
    vpc_id: str
    within: IPv4Network | None = None
    """Who is not in this network may not connect."""
    allow: list[IPv4Network | IPv6Network] = []
    """If there are any, nobody else may connect."""
    deny: list[IPv4Network | IPv6Network] = []
    """May not connect, even if allowed."""
    strong_ciphers: bool = False
    algorithm: Literal["round_robin", "least_connections"]
    forwards: list[Forward]
    health: HealthCheck
    sticky_cookie: str | None
    sticky_seconds: int
    redirect_http_to_https: bool
    proxy_protocol: bool
    keepalive: bool
    idle_seconds: int
    targets: list[IPv4Address]


class ZoneRecord(Frozen):
    """One record that DNS answers; ``data`` is written as in a zone file."""

    name: str
    """Whole, without a dot at its end."""
    type: str
    ttl: int
    data: str


class Zone(Frozen):
    """One domain, as DNS answers it."""

    name: str
    records: list[ZoneRecord]


class NetworkState(Frozen):
    """The whole network as it should be now."""

    droplets: list[MachineSpec] = []
    networks: list[Network] = []
    firewalled: list[Firewalled] = []
    balancers: list[Balancer] = []
    zones: list[Zone] = []


class MachineError(Exception):
    """A machine could not be brought into the state asked for; the message tells why."""


class Machines(Protocol):
    """A kind of machine. Calls may take seconds and raise ``MachineError``; each may be repeated safely after a crash."""

    enforces: bool
    """Whether ``apply`` does anything: a kind that has no network spares the API the work."""

    async def start(self) -> None:
        """Make the cloud's network and services, or find them again after a restart of the API."""

    async def stop(self) -> None:
        """Destroy every machine, and the network: nothing is left on the host."""

    async def create(self, spec: MachineSpec) -> None:
        """Make the machine's disk from its image and boot it; returns once it is booting."""

    async def power_on(self, spec: MachineSpec) -> None: ...

    async def power_off(self, droplet_id: int) -> None:
        """As pulling the plug; nothing to do if it is off."""

    async def shutdown(self, droplet_id: int) -> None:
        """Ask the machine to shut down and wait until it is off, 60 s at most.

        Raises:
            MachineError: it is still on.
        """

    async def destroy(self, droplet_id: int) -> None:
        """Remove machine and disk; nothing to do if there is none."""

    async def is_on(self, droplet_id: int) -> bool: ...

    async def snapshot(self, droplet_id: int, image: str) -> int:
        """Keep the disk under the name ``image``; returns its size in bytes."""

    async def delete_image(self, image: str) -> None: ...

    async def rebuild(self, spec: MachineSpec) -> None:
        """A fresh disk from ``spec.image`` under the same droplet, then boot."""

    async def resize(self, spec: MachineSpec) -> None:
        """Give a machine that is off the memory, vCPUs and disk of ``spec``; used at its next start."""

    async def apply(self, network_state: NetworkState) -> None:
        """Make firewalls, balancers, DNS and metadata as ``network_state`` says; returns once they are."""
