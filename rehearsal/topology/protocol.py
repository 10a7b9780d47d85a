"""The interface between the API and the machines behind droplets.

The API derives a ``NetworkState``, which holds a ``MachineSpec`` for each droplet. A machine kind
implements ``Machines`` and brings machines and network into that state.
"""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

ANCHOR_NETWORK = IPv4Network("10.229.0.0/16")
"""The network of the droplets' anchor addresses. Its first address is their gateway."""


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interface(FrozenModel):
    """One network interface of a droplet."""

    mac: str
    address: IPv4Address
    network: IPv4Network
    gateway: IPv4Address


class MachineSpec(FrozenModel):
    """The machine behind one droplet, as it should be."""

    id: int
    name: str
    image: str
    """The slug of a stock image, or the id of a snapshot."""
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
    reserved_ip: IPv4Address | None = None
    """The reserved IP that is assigned to the droplet."""

    @property
    def anchor(self) -> IPv4Interface:
        """The droplet's anchor address, where traffic to its reserved IP arrives.

        It has the same offset in the anchor network as the public address has in the public one.
        """
        offset = int(self.public.address) & int(self.public.network.hostmask)
        return IPv4Interface((ANCHOR_NETWORK[offset], ANCHOR_NETWORK.prefixlen))

    @property
    def addresses(self) -> list[IPv4Address]:
        """The addresses of the machine's interfaces that receive traffic."""
        return [
            self.public.address,
            self.private.address,
            *([self.anchor.ip] if self.reserved_ip else []),
        ]


class FirewallRule(FrozenModel):
    """Traffic that a firewall accepts."""

    protocol: Literal["tcp", "udp", "icmp"]
    ports: str
    """``all``, ``22`` or ``8000-9000``; unused for ICMP."""
    peers: list[IPv4Network]
    """Sources of an inbound rule, destinations of an outbound one."""


class DropletFirewall(FrozenModel):
    """All firewall rules of one droplet. Traffic that no rule accepts is dropped."""

    droplet_id: int
    addresses: list[IPv4Address]
    inbound: list[FirewallRule]
    outbound: list[FirewallRule]


class Network(FrozenModel):
    """One VPC."""

    id: str
    range: IPv4Network
    gateway: IPv4Address


class ForwardingRule(FrozenModel):
    """One forwarding rule of a load balancer. TLS passthrough is ``tcp`` on both sides."""

    entry_protocol: Literal["http", "https", "http2", "tcp"]
    entry_port: int
    target_protocol: Literal["http", "https", "http2", "tcp"]
    target_port: int
    certificate_id: str = ""
    """Empty if the load balancer does not terminate TLS."""


class HealthCheck(FrozenModel):
    """How a load balancer checks its targets."""

    protocol: Literal["http", "https", "tcp"]
    port: int
    path: str
    interval_s: int
    timeout_s: int
    unhealthy_threshold: int
    healthy_threshold: int


class LoadBalancer(FrozenModel):
    """One load balancer: it listens on ``public`` and connects to its targets from ``private``."""

    id: str
    public: IPv4Address
    """The private address, too, if the load balancer is internal."""
    private: IPv4Address
    vpc_id: str
    internal_network: IPv4Network | None = None
    """The only network that may connect to an internal load balancer."""
    allow: list[IPv4Network | IPv6Network] = []
    """The only networks that may connect, unless the list is empty."""
    deny: list[IPv4Network | IPv6Network] = []
    """Networks that may not connect; takes precedence over ``allow``."""
    strong_ciphers: bool = False
    algorithm: Literal["round_robin", "least_connections"]
    forwarding_rules: list[ForwardingRule]
    health_check: HealthCheck
    sticky_cookie: str | None
    sticky_seconds: int
    redirect_http_to_https: bool
    proxy_protocol: bool
    keepalive: bool
    idle_seconds: int
    targets: list[IPv4Address]


class ZoneRecord(FrozenModel):
    """One DNS record."""

    name: str
    """The fully qualified name, without the final dot."""
    type: str
    ttl: int
    data: str
    """In the format of a zone file."""


class Zone(FrozenModel):
    """One domain, as DNS answers it."""

    name: str
    records: list[ZoneRecord]


class NetworkState(FrozenModel):
    """The desired network and machines."""

    droplets: list[MachineSpec] = []
    networks: list[Network] = []
    droplet_firewalls: list[DropletFirewall] = []
    load_balancers: list[LoadBalancer] = []
    zones: list[Zone] = []


class MachineError(Exception):
    """A machine or the network could not be changed; the message says why."""


class Machines(Protocol):
    """A kind of machine.

    Methods may take seconds and may raise ``MachineError``. Each can be repeated safely after a
    crash.
    """

    has_network: bool
    """Whether ``apply`` has an effect. Without a network the API skips deriving its state."""

    async def start(self) -> None:
        """Create the cloud's network and services, or find those of an earlier API process."""

    async def stop(self) -> None:
        """Destroy all machines and the network. Nothing is left on the host."""

    async def create(self, spec: MachineSpec) -> None:
        """Create the machine's disk from its image and begin to boot it."""

    async def power_on(self, spec: MachineSpec) -> None: ...

    async def power_off(self, droplet_id: int) -> None:
        """Switch a machine off without shutting it down; no effect if it is off."""

    async def shutdown(self, droplet_id: int) -> None:
        """Shut a machine down and wait up to 60 s until it is off.

        Raises:
            MachineError: the machine is still on.
        """

    async def destroy(self, droplet_id: int) -> None:
        """Remove a machine and its disk; no effect if there is none."""

    async def is_on(self, droplet_id: int) -> bool: ...

    async def snapshot(self, droplet_id: int, image: str) -> int:
        """Store a copy of the disk as ``image`` and return its size in bytes."""

    async def delete_image(self, image: str) -> None: ...

    async def rebuild(self, spec: MachineSpec) -> None:
        """Replace the disk by a new one from ``spec.image``, then boot."""

    async def resize(self, spec: MachineSpec) -> None:
        """Change memory, vCPUs and disk of a machine that is off, from its next start on."""

    async def apply(self, network_state: NetworkState) -> None:
        """Bring firewalls, load balancers, DNS and metadata into a state; return once they are."""
