"""The cloud's packet filter: from the fabric to nftables rules, loaded in one transaction.

A droplet under no firewall is open. Under at least one, nothing passes in or out but what a rule allows, on its
public and its private address alike; answers to what was allowed always pass. Three things no firewall shuts:
ARP, the metadata service and the cloud's DNS, because no real droplet can be cut off from them either.

Droplets share bridges; br_netfilter, which the network turns on, shows bridged packets to the ``inet`` hooks. Every lookup
is by address in a map, and droplets with the same rules share one chain: a thousand of them cost what one costs.

A reserved address is one of the namespace's, so that its neighbours find it at the same hardware address wherever it
points. On the bridge its packets get the droplet's anchor address as destination, and the droplet's answers from there get
the reserved one as source. That is done to each packet alone: a connection does not outlive the move of its address.
"""

import hashlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import Literal

from rehearsal.config import CloudConfig
from rehearsal.network.bridges import METADATA_ADDRESS
from rehearsal.subprocesses import run
from rehearsal.topology.protocol import ANCHOR_NETWORK, FirewallRule, NetworkState

UPLINK = "host"
"""The bridge port that leads to this machine: the one port whose frames come from no droplet."""

ANYWHERE = IPv4Network("0.0.0.0/0")

Anchors = dict[IPv4Address, IPv4Address]
"""Reserved addresses that point to a droplet, and its anchor address."""


async def apply(config: CloudConfig, network_state: NetworkState) -> None:
    """Make the filter of the cloud's namespace as ``network_state`` says.

    Raises:
        CommandError: the kernel refused the rules; those loaded before still hold.
    """
    await load(config.netns, render(config, network_state))


async def load(netns: str, ruleset: str) -> None:
    """Replace the rules of the namespace ``netns``, all at once.

    Raises:
        CommandError: the kernel refused the rules; those loaded before still hold.
    """
    await run("ip", "netns", "exec", netns, "nft", "-f", "-", stdin=ruleset)


def render(config: CloudConfig, network_state: NetworkState) -> str:
    """The whole ruleset as ``nft -f`` reads it."""
    return "\n".join([*_ownership(network_state), *_filter(config, network_state), ""])


def _ownership(network_state: NetworkState) -> list[str]:
    """A droplet's port takes ARP and IPv4, from the port's own addresses. Stateless: this family tracks no connections."""
    ports = [(f"p{droplet.id}", droplet.public) for droplet in network_state.droplets]
    ports += [(f"q{droplet.id}", droplet.private) for droplet in network_state.droplets]
    owned = [f'"{port}" . {card.mac} . {card.address}' for port, card in ports]
    # An anchor address leads nowhere without a reserved one.
    owned += [
        f'"p{droplet.id}" . {droplet.public.mac} . {droplet.anchor.ip}'
        for droplet in network_state.droplets
        if droplet.reserved_ip
    ]
    return [
        *_fresh("bridge"),
        "table bridge slipway {",
        *_named("set owned", "ifname . ether_addr . ipv4_addr", owned),
        *_reserved(network_state),
        *_chain(
            "prerouting",
            "type filter hook prerouting priority -300; policy drop;",
            [
                f'iifname "{UPLINK}" accept',
                "ether type arp iifname . arp saddr ether . arp saddr ip @owned accept",
                "ether type ip iifname . ether saddr . ip saddr @owned accept",
            ],
        ),
        "}",
    ]


def _reserved(network_state: NetworkState) -> list[str]:
    """The reserved addresses, each in place of its droplet's anchor address. Nothing else reaches an anchor address.

    A droplet that asks its own reserved address sees itself come from there, so that its answer comes back this way.
    """
    moved = [
        (droplet.reserved_ip, droplet) for droplet in network_state.droplets if droplet.reserved_ip
    ]
    pair = "ipv4_addr . ipv4_addr : ipv4_addr"
    return [
        *_named(
            "map machines",
            "ipv4_addr : ether_addr",
            (f"{address} : {droplet.public.mac}" for address, droplet in moved),
        ),
        *_named(
            "map anchors",
            "ipv4_addr : ipv4_addr",
            (f"{address} : {droplet.anchor.ip}" for address, droplet in moved),
        ),
        *_named(
            "map reserved",
            "ipv4_addr : ipv4_addr",
            (f"{droplet.anchor.ip} : {address}" for address, droplet in moved),
        ),
        *_named(
            "map asking",
            pair,
            (
                f"{droplet.public.address} . {droplet.anchor.ip} : {address}"
                for address, droplet in moved
            ),
        ),
        *_named(
            "map answering",
            pair,
            (
                f"{droplet.anchor.ip} . {address} : {droplet.public.address}"
                for address, droplet in moved
            ),
        ),
        *_chain(
            "arriving",
            "type filter hook prerouting priority -200; policy accept;",
            [
                'iifname "q*" accept',
                f"ip daddr {ANCHOR_NETWORK} ip daddr != {ANCHOR_NETWORK[1]} drop",
                "ether daddr set ip daddr map @machines",
                "ip daddr set ip saddr . ip daddr map @answering accept",
                "ip daddr set ip daddr map @anchors",
            ],
        ),
        *_chain(
            "leaving",
            "type filter hook postrouting priority 200; policy accept;",
            [
                'oifname "q*" accept',
                "ip saddr set ip saddr . ip daddr map @asking",
                "ip saddr set ip saddr map @reserved",
            ],
        ),
    ]


def _filter(config: CloudConfig, network_state: NetworkState) -> list[str]:
    """Who may talk to whom: droplets to each other, to the cloud's services, and balancers to droplets."""
    chains: dict[str, list[str]] = {}
    reached = {
        droplet.id: droplet.addresses for droplet in network_state.droplets if droplet.reserved_ip
    }
    anchors = {
        droplet.reserved_ip: droplet.anchor.ip
        for droplet in network_state.droplets
        if droplet.reserved_ip
    }
    inbound, outbound = [], []
    for guarded in network_state.droplet_firewalls:
        entry, exit_ = (
            _shared(chains, "in", guarded.inbound, anchors),
            _shared(chains, "out", guarded.outbound, anchors),
        )
        addresses = {*guarded.addresses, *reached.get(guarded.droplet_id, [])}
        inbound += [f"{address} : jump {entry}" for address in sorted(addresses)]
        outbound += [f"{address} : jump {exit_}" for address in sorted(addresses)]
    platform = [
        f"{config.gateway} . udp . 53",
        f"{config.gateway} . tcp . 53",
        f"{METADATA_ADDRESS} . tcp . 80",
    ]
    served = [
        f"{address} . tcp . 80" for address in (config.spaces_address, config.releases_address)
    ]
    served += [
        f"{balancer.public} . tcp . {forward.entry_port}"
        for balancer in network_state.load_balancers
        for forward in balancer.forwarding_rules
    ]
    droplets = [str(address) for droplet in network_state.droplets for address in droplet.addresses]
    answers = "ct state established,related accept"
    service = "ip daddr . meta l4proto . th dport"
    return [
        *_fresh("inet"),
        "table inet slipway {",
        *(line for name, rules in chains.items() for line in _chain(name, None, rules)),
        *_named("map inbound", "ipv4_addr : verdict", inbound),
        *_named("map outbound", "ipv4_addr : verdict", outbound),
        *_named("set droplets", "ipv4_addr", droplets),
        *_named("set platform", "ipv4_addr . inet_proto . inet_service", platform),
        *_named("set served", "ipv4_addr . inet_proto . inet_service", served),
        # Between two ports of a bridge. Only droplets are reached: no broadcast, and no connection to the host.
        *_chain(
            "forward",
            "type filter hook forward priority 0; policy drop;",
            [
                answers,
                "ip saddr vmap @outbound",
                "ip daddr vmap @inbound",
                "ip daddr @droplets accept",
            ],
        ),
        # To the namespace's own services.
        *_chain(
            "input",
            "type filter hook input priority 0; policy drop;",
            [
                'iif "lo" accept',
                answers,
                f"{service} @platform accept",
                "ip saddr vmap @outbound",
                f"{service} @served accept",
                "icmp type echo-request accept",
            ],
        ),
        # From a balancer to its targets.
        *_chain(
            "output",
            "type filter hook output priority 0; policy accept;",
            [answers, "ip daddr vmap @inbound"],
        ),
        "}",
    ]


def _shared(
    chains: dict[str, list[str]],
    way: Literal["in", "out"],
    rules: list[FirewallRule],
    anchors: Anchors,
) -> str:
    """The name of the chain that lets ``rules`` pass and drops the rest; added to ``chains`` if it is new."""
    side = "saddr" if way == "in" else "daddr"
    lines = [
        *dict.fromkeys(_statement(side, rule, anchors) for rule in rules if rule.peers),
        "drop",
    ]
    name = f"{way}_{hashlib.sha256(repr(lines).encode()).hexdigest()[:16]}"
    chains[name] = lines
    return name


def _statement(side: str, rule: FirewallRule, anchors: Anchors) -> str:
    """``return`` goes back to the hook's chain, where the packet meets the other side's rules.

    Packets pass with the anchor address, so a rule that names a reserved address means that one.
    """
    meant = [
        IPv4Network(anchor)
        for address, anchor in anchors.items()
        if any(address in peer for peer in rule.peers)
    ]
    peers = list(collapse_addresses([*rule.peers, *meant]))
    match = "" if ANYWHERE in peers else f"ip {side} {{ {', '.join(map(str, peers))} }} "
    if rule.protocol == "icmp" or rule.ports in ("all", "0"):
        return f"{match}meta l4proto {rule.protocol} return"
    return f"{match}{rule.protocol} dport {rule.ports} return"


def _fresh(family: str) -> list[str]:
    """Delete the table if it is there; in the same transaction, so that no packet passes between old and new."""
    return [f"add table {family} slipway", f"delete table {family} slipway"]


def _named(kind: str, of: str, elements: Iterable[str]) -> list[str]:
    unique = list(dict.fromkeys(elements))
    listed = [f"    elements = {{ {', '.join(unique)} }}"] if unique else []
    return [f"  {kind} {{", f"    type {of};", *listed, "  }"]


def _chain(name: str, hook: str | None, rules: list[str]) -> list[str]:
    return [
        f"  chain {name} {{",
        *(f"    {line}" for line in ([hook] if hook else []) + rules),
        "  }",
    ]
