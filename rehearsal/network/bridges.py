"""The cloud's network: one namespace with a bridge for the public slice and one for each VPC.

Nothing is forwarded between bridges or beyond them, and nothing is masqueraded: droplets reach each other
over a bridge, and otherwise only what the namespace itself serves. One veth pair leads to this machine, which
has an address in the public slice and is an outside client like any other.
"""

import hashlib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.subprocesses import CommandError, run
from rehearsal.topology.protocol import ANCHORS, MachineSpec

METADATA = IPv4Address("169.254.169.254")
PUBLIC_BRIDGE = "public"
BRIDGE_FILTER = Path("/proc/sys/net/bridge")
"""There when br_netfilter is loaded."""

NETNS_DIR = Path("/run/netns")

SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
    # Frames that cross a bridge pass the inet filter too: the firewalls need its connection tracking.
    "net.bridge.bridge-nf-call-iptables": "1",
}


def hardware_address(gateway: IPv4Address) -> str:
    """A bridge's own, locally administered. Without one it takes a port's and changes it when that port goes, and who has
    the former in mind reaches none of the bridge's addresses for some seconds."""
    return ":".join(f"{octet:02x}" for octet in (2, 0, *gateway.packed))


def vpc_bridge(vpc_id: str) -> str:
    """The bridge's name; the kernel allows 15 characters."""
    return "v" + hashlib.sha256(vpc_id.encode()).hexdigest()[:12]


def host_link(config: CloudConfig) -> str:
    return f"slip{config.index}"


def droplet_netns(config: CloudConfig, droplet_id: int) -> str:
    return f"{config.netns}-d{droplet_id}"


def namespaces(config: CloudConfig) -> list[str]:
    """The namespaces that exist for this cloud, its own last."""
    if not NETNS_DIR.exists():
        return []
    droplets = sorted(entry.name for entry in NETNS_DIR.glob(f"{config.netns}-d*"))
    return droplets + ([config.netns] if (NETNS_DIR / config.netns).exists() else [])


async def _batch(netns: str, *lines: str) -> None:
    """Run several ``ip`` commands in one process."""
    await run("ip", "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")


async def _load_bridge_filter() -> None:
    """Have the kernel show bridged packets to nftables.

    Raises:
        CommandError: the module br_netfilter is neither in the kernel nor to be loaded.
    """
    if not BRIDGE_FILTER.exists():
        await run("modprobe", "br_netfilter")


async def create(config: CloudConfig) -> None:
    """Make the namespace, its public bridge and the link to this machine; nothing to do if they are there."""
    if config.netns in namespaces(config):
        return
    await _load_bridge_filter()
    await run("ip", "netns", "add", config.netns)
    settings = [f"{key}={value}" for key, value in SYSCTLS.items()]
    await run("ip", "netns", "exec", config.netns, "sysctl", "-q", "-w", *settings)
    prefix = config.public.prefixlen
    await _batch(
        config.netns,
        "link set lo up",
        f"link add {PUBLIC_BRIDGE} address {hardware_address(config.gateway)} type bridge",
        f"link set {PUBLIC_BRIDGE} up",
        f"addr add {config.gateway}/{prefix} dev {PUBLIC_BRIDGE}",
        f"addr add {config.spaces}/{prefix} dev {PUBLIC_BRIDGE}",
        f"addr add {config.releases}/{prefix} dev {PUBLIC_BRIDGE}",
        f"addr add {METADATA}/32 dev {PUBLIC_BRIDGE}",
        f"addr add {ANCHORS[1]}/{ANCHORS.prefixlen} dev {PUBLIC_BRIDGE}",
    )
    link = host_link(config)
    await run(
        "ip", "link", "add", link, "type", "veth", "peer", "name", "host", "netns", config.netns
    )
    await run("sysctl", "-q", "-w", f"net.ipv6.conf.{link}.disable_ipv6=1")
    await run("ip", "addr", "add", f"{config.host}/{prefix}", "dev", link)
    await run("ip", "link", "set", link, "alias", config.netns, "up")
    await _batch(config.netns, f"link set host master {PUBLIC_BRIDGE} up")


async def destroy(config: CloudConfig) -> None:
    """Remove every namespace of the cloud; links and bridges go with them."""
    for netns in namespaces(config):
        await run("ip", "netns", "delete", netns)
    # The kernel removes a namespace's links in its own time; the host's end must be gone when we say so.
    if (Path("/sys/class/net") / host_link(config)).exists():
        try:
            await run("ip", "link", "delete", host_link(config))
        except CommandError:
            if (Path("/sys/class/net") / host_link(config)).exists():
                raise


async def ensure_vpc(
    config: CloudConfig, vpc_id: str, network: IPv4Network, gateway: IPv4Address
) -> None:
    """Make the VPC's bridge, with its gateway address, if it is not there."""
    bridge = vpc_bridge(vpc_id)
    if bridge in await links(config):
        return
    await _batch(
        config.netns,
        f"link add {bridge} address {hardware_address(gateway)} type bridge",
        f"link set {bridge} up",
        f"addr add {gateway}/{network.prefixlen} dev {bridge}",
    )


async def remove_vpc(config: CloudConfig, bridge: str) -> None:
    await run("ip", "-n", config.netns, "link", "delete", bridge)


async def links(config: CloudConfig) -> list[str]:
    """The names of the links in the cloud's namespace."""
    lines = (await run("ip", "-n", config.netns, "-o", "link", "show")).splitlines()
    return [line.split(": ")[1].split("@")[0] for line in lines]


async def addresses(config: CloudConfig) -> set[tuple[str, IPv4Address, int]]:
    """Link, address and prefix length of all that the namespace itself answers to."""
    found = set()
    for line in (await run("ip", "-n", config.netns, "-4", "-o", "addr", "show")).splitlines():
        words = line.split()
        address, _, prefix = words[3].partition("/")
        found.add((words[1], IPv4Address(address), int(prefix)))
    return found


async def sync_addresses(config: CloudConfig, wanted: set[tuple[str, IPv4Address, int]]) -> None:
    """Give the namespace the addresses that it answers for: /32 on their bridges; those no longer wanted go."""
    present = {
        entry for entry in await addresses(config) if entry[2] == 32 and entry[1] != METADATA
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


async def plug(config: CloudConfig, spec: MachineSpec) -> str:
    """Make the droplet's namespace with eth0 (public) and eth1 (VPC), addressed and up; return its name."""
    netns = droplet_netns(config, spec.id)
    if netns in namespaces(config):
        return netns
    await ensure_vpc(config, spec.vpc_id, spec.private.network, spec.private.gateway)
    await run("ip", "netns", "add", netns)
    # Nobody but its gateway is asked for with the anchor address: the others have no way back to it.
    await run(
        "ip", "netns", "exec", netns, "sysctl", "-q", "-w", "net.ipv4.conf.default.arp_announce=2"
    )
    lines = ["link set lo up"]
    for name, interface, bridge, port in (
        ("eth0", spec.public, PUBLIC_BRIDGE, f"p{spec.id}"),
        ("eth1", spec.private, vpc_bridge(spec.vpc_id), f"q{spec.id}"),
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
    # A droplet that asks its own reserved address is answered over the port that it asks from.
    await _batch(config.netns, f"link set p{spec.id} type bridge_slave hairpin on")
    await _batch(netns, *lines, f"route add default via {spec.public.gateway}")
    return netns


async def unplug(config: CloudConfig, droplet_id: int) -> None:
    """Remove the droplet's namespace and so its ports; nothing to do if there is none."""
    netns = droplet_netns(config, droplet_id)
    if netns in namespaces(config):
        await run("ip", "netns", "delete", netns)
    present = await links(config) if config.netns in namespaces(config) else []
    for port in (f"p{droplet_id}", f"q{droplet_id}"):
        if port in present:
            try:
                await run("ip", "-n", config.netns, "link", "delete", port)
            except CommandError:
                continue  # it went with its peer
