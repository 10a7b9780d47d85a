"""The cloud's network: one namespace with a bridge for the public network and one for each VPC.

Nothing is forwarded between bridges or to other networks, and nothing is masqueraded. Droplets
reach each other over a bridge, and otherwise only the services of the namespace. One veth pair
leads to this machine, which has a public address and is an outside client like any other.
"""

import hashlib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.subprocesses import CommandError, run
from rehearsal.topology.protocol import ANCHOR_NETWORK, MachineSpec

METADATA_ADDRESS = IPv4Address("169.254.169.254")
PUBLIC_BRIDGE = "public"
VPC_BRIDGE_CHARS = 13
BRIDGE_FILTER = Path("/proc/sys/net/bridge")
"""Exists if br_netfilter is loaded."""

NETNS_DIR = Path("/run/netns")

LinkAddress = tuple[str, IPv4Address, int]
"""A link, an address on it, and the length of its prefix."""

SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
    # Bridged frames pass the inet filter too: the firewalls need its connection tracking.
    "net.bridge.bridge-nf-call-iptables": "1",
}


def bridge_mac(gateway: IPv4Address) -> str:
    """Return a locally administered MAC address for a bridge.

    Without one a bridge uses that of a port and changes it when the port is removed. A stale ARP
    entry then breaks traffic for some seconds.
    """
    return ":".join(f"{octet:02x}" for octet in (2, 0, *gateway.packed))


def vpc_bridge_name(vpc_id: str) -> str:
    """Return the name of a VPC's bridge; the kernel allows 15 characters."""
    return "v" + hashlib.sha256(vpc_id.encode()).hexdigest()[: VPC_BRIDGE_CHARS - 1]


def host_link_name(config: CloudConfig) -> str:
    """Return the name of this machine's link to the cloud."""
    return f"slip{config.index}"


def droplet_namespace(config: CloudConfig, droplet_id: int) -> str:
    return f"{config.netns}-d{droplet_id}"


def list_namespaces(config: CloudConfig) -> list[str]:
    """Return the namespaces of the droplets, then that of the cloud, as far as they exist."""
    if not NETNS_DIR.exists():
        return []
    droplets = sorted(entry.name for entry in NETNS_DIR.glob(f"{config.netns}-d*"))
    return droplets + ([config.netns] if (NETNS_DIR / config.netns).exists() else [])


async def _batch(netns: str, *lines: str) -> None:
    """Run several ``ip`` commands in one process."""
    await run("ip", "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")


async def _load_bridge_filter() -> None:
    """Make nftables see bridged packets.

    Raises:
        CommandError: the kernel module br_netfilter cannot be loaded.
    """
    if not BRIDGE_FILTER.exists():
        await run("modprobe", "br_netfilter")


async def create_network(config: CloudConfig) -> None:
    """Create the namespace, its public bridge and the link to this machine if there are none."""
    if config.netns in list_namespaces(config):
        return
    await _load_bridge_filter()
    await run("ip", "netns", "add", config.netns)
    settings = [f"{key}={value}" for key, value in SYSCTLS.items()]
    await run("ip", "netns", "exec", config.netns, "sysctl", "-q", "-w", *settings)
    prefix = config.public_network.prefixlen
    await _batch(
        config.netns,
        "link set lo up",
        f"link add {PUBLIC_BRIDGE} address {bridge_mac(config.gateway)} type bridge",
        f"link set {PUBLIC_BRIDGE} up",
        f"addr add {config.gateway}/{prefix} dev {PUBLIC_BRIDGE}",
        f"addr add {config.spaces_address}/{prefix} dev {PUBLIC_BRIDGE}",
        f"addr add {config.releases_address}/{prefix} dev {PUBLIC_BRIDGE}",
        f"addr add {METADATA_ADDRESS}/32 dev {PUBLIC_BRIDGE}",
        f"addr add {ANCHOR_NETWORK[1]}/{ANCHOR_NETWORK.prefixlen} dev {PUBLIC_BRIDGE}",
    )
    link = host_link_name(config)
    await run(
        "ip", "link", "add", link, "type", "veth", "peer", "name", "host", "netns", config.netns
    )
    await run("sysctl", "-q", "-w", f"net.ipv6.conf.{link}.disable_ipv6=1")
    await run("ip", "addr", "add", f"{config.host_address}/{prefix}", "dev", link)
    await run("ip", "link", "set", link, "alias", config.netns, "up")
    await _batch(config.netns, f"link set host master {PUBLIC_BRIDGE} up")


async def delete_network(config: CloudConfig) -> None:
    """Delete every namespace of the cloud, and with them its links and bridges."""
    for netns in list_namespaces(config):
        await run("ip", "netns", "delete", netns)
    # The kernel removes a namespace's links later; the host's end must be gone on return.
    if (Path("/sys/class/net") / host_link_name(config)).exists():
        try:
            await run("ip", "link", "delete", host_link_name(config))
        except CommandError:
            if (Path("/sys/class/net") / host_link_name(config)).exists():
                raise


async def ensure_vpc_bridge(
    config: CloudConfig, vpc_id: str, network: IPv4Network, gateway: IPv4Address
) -> None:
    """Create the bridge of a VPC, with the gateway address, if there is none."""
    bridge = vpc_bridge_name(vpc_id)
    if bridge in await list_links(config):
        return
    await _batch(
        config.netns,
        f"link add {bridge} address {bridge_mac(gateway)} type bridge",
        f"link set {bridge} up",
        f"addr add {gateway}/{network.prefixlen} dev {bridge}",
    )


async def delete_other_vpc_bridges(config: CloudConfig, vpc_ids: set[str]) -> None:
    """Delete the bridges of all VPCs but ``vpc_ids``."""
    bridges = {
        link
        for link in await list_links(config)
        if link.startswith("v") and len(link) == VPC_BRIDGE_CHARS
    }
    for bridge in sorted(bridges - {vpc_bridge_name(vpc_id) for vpc_id in vpc_ids}):
        await run("ip", "-n", config.netns, "link", "delete", bridge)


async def list_links(config: CloudConfig) -> list[str]:
    """Return the names of the links in the cloud's namespace."""
    lines = (await run("ip", "-n", config.netns, "-o", "link", "show")).splitlines()
    return [line.split(": ")[1].split("@")[0] for line in lines]


async def list_addresses(config: CloudConfig) -> set[LinkAddress]:
    """Return the addresses of the cloud's namespace."""
    addresses = set()
    for line in (await run("ip", "-n", config.netns, "-4", "-o", "addr", "show")).splitlines():
        words = line.split()
        address, _, prefix = words[3].partition("/")
        addresses.add((words[1], IPv4Address(address), int(prefix)))
    return addresses


async def sync_addresses(config: CloudConfig, wanted: set[LinkAddress]) -> None:
    """Make ``wanted`` the /32 addresses of the namespace, besides that of the metadata service."""
    present = {
        (link, address, prefix)
        for link, address, prefix in await list_addresses(config)
        if prefix == 32 and address != METADATA_ADDRESS
    }
    lines = [
        f"addr del {address}/{prefix} dev {link}"
        for link, address, prefix in sorted(present - wanted)
    ]
    lines += [
        f"addr add {address}/{prefix} dev {link}"
        for link, address, prefix in sorted(wanted - present)
    ]
    if lines:
        await _batch(config.netns, *lines)


async def connect_droplet(config: CloudConfig, spec: MachineSpec) -> str:
    """Create the droplet's namespace with eth0 (public) and eth1 (VPC); return its name."""
    netns = droplet_namespace(config, spec.id)
    if netns in list_namespaces(config):
        return netns
    await ensure_vpc_bridge(config, spec.vpc_id, spec.private.network, spec.private.gateway)
    await run("ip", "netns", "add", netns)
    # ARP requests for other droplets must not have the anchor address as their source: those
    # droplets have no route to it.
    await run(
        "ip", "netns", "exec", netns, "sysctl", "-q", "-w", "net.ipv4.conf.default.arp_announce=2"
    )
    lines = ["link set lo up"]
    for name, interface, bridge, port in (
        ("eth0", spec.public, PUBLIC_BRIDGE, f"p{spec.id}"),
        ("eth1", spec.private, vpc_bridge_name(spec.vpc_id), f"q{spec.id}"),
    ):
        await run(
            "ip",
            "-n",
            config.netns,
            "link",
            "add",
            port,
            "type",
            "veth",
            "peer",
            "name",
            name,
            "address",
            interface.mac,
            "netns",
            netns,
        )
        await _batch(config.netns, f"link set {port} master {bridge} up")
        lines += [
            f"addr add {interface.address}/{interface.network.prefixlen} dev {name}",
            f"link set {name} up",
        ]
    lines.append(f"addr add {spec.anchor} dev eth0")
    # A packet to the droplet's own reserved address returns through the same port.
    await _batch(config.netns, f"link set p{spec.id} type bridge_slave hairpin on")
    await _batch(netns, *lines, f"route add default via {spec.public.gateway}")
    return netns


async def disconnect_droplet(config: CloudConfig, droplet_id: int) -> None:
    """Delete the droplet's namespace and bridge ports, if there are any."""
    netns = droplet_namespace(config, droplet_id)
    if netns in list_namespaces(config):
        await run("ip", "netns", "delete", netns)
    present = await list_links(config) if config.netns in list_namespaces(config) else []
    for port in (f"p{droplet_id}", f"q{droplet_id}"):
        if port in present:
            try:
                await run("ip", "-n", config.netns, "link", "delete", port)
            except CommandError:
                continue  # deleted with its peer
