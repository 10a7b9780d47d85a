"""The cloud's packet filter: nftables rules from the network state, loaded in one transaction.

A droplet without a firewall accepts all traffic. With at least one, only traffic that a rule allows
passes in or out, on the public and the private address; replies always pass. No firewall blocks
ARP, the metadata service and the cloud's DNS, because a real droplet always reaches them.

Droplets share bridges; br_netfilter shows bridged packets to the ``inet`` hooks. Every lookup is by
address in a map, and droplets with the same rules share one chain. So the cost of a packet does not
depend on the number of droplets.

A reserved address belongs to the namespace, so its MAC address stays the same when it moves. On the
bridge the destination of its packets becomes the droplet's anchor address, and the source of the
replies becomes the reserved address. The rewriting is stateless: when the address moves to another
droplet, its connections break.
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
"""The bridge port to this machine, the only port whose frames do not come from a droplet."""

ANYWHERE = IPv4Network("0.0.0.0/0")

Anchors = dict[IPv4Address, IPv4Address]
"""Each assigned reserved address with the anchor address of its droplet."""


async def apply(config: CloudConfig, network_state: NetworkState) -> None:
    """Load the rules for ``network_state`` into the cloud's namespace.

    Raises:
        CommandError: the kernel rejected the rules; the former ones stay in force.
    """
    await load(config.netns, render(config, network_state))


async def load(netns: str, ruleset: str) -> None:
    """Replace the rules of the namespace ``netns`` in one transaction.

    Raises:
        CommandError: the kernel rejected the rules; the former ones stay in force.
    """
    await run("ip", "netns", "exec", netns, "nft", "-f", "-", stdin=ruleset)


def render(config: CloudConfig, network_state: NetworkState) -> str:
    """Return the ruleset in the format of ``nft -f``."""
    return "\n".join([*_antispoofing(network_state), *_filter(config, network_state), ""])


def _antispoofing(network_state: NetworkState) -> list[str]:
    """Return the table that accepts only ARP and IPv4 from a port's own addresses.

    Its family, ``bridge``, is stateless here.
    """
    ports = [(f"p{droplet.id}", droplet.public) for droplet in network_state.droplets]
    ports += [(f"q{droplet.id}", droplet.private) for droplet in network_state.droplets]
    owned = [f'"{port}" . {card.mac} . {card.address}' for port, card in ports]
    # An anchor address has no use without a reserved address.
    owned += [
        f'"p{droplet.id}" . {droplet.public.mac} . {droplet.anchor.ip}'
        for droplet in network_state.droplets
        if droplet.reserved_ip
    ]
    return [
        *_delete_table("bridge"),
        "table bridge slipway {",
        *_named_set("set owned", "ifname . ether_addr . ipv4_addr", owned),
        *_reserved_addresses(network_state),
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


def _reserved_addresses(network_state: NetworkState) -> list[str]:
    """Return the rules that translate reserved addresses to anchor addresses and back.

    No other traffic reaches an anchor address. A droplet that connects to its own reserved address
    sees that address as the source, so that its reply is translated too.
    """
    assigned = [
        (droplet.reserved_ip, droplet) for droplet in network_state.droplets if droplet.reserved_ip
    ]
    pair = "ipv4_addr . ipv4_addr : ipv4_addr"
    return [
        *_named_set(
            "map machines",
            "ipv4_addr : ether_addr",
            (f"{address} : {droplet.public.mac}" for address, droplet in assigned),
        ),
        *_named_set(
            "map anchors",
            "ipv4_addr : ipv4_addr",
            (f"{address} : {droplet.anchor.ip}" for address, droplet in assigned),
        ),
        *_named_set(
            "map reserved",
            "ipv4_addr : ipv4_addr",
            (f"{droplet.anchor.ip} : {address}" for address, droplet in assigned),
        ),
        *_named_set(
            "map own_requests",
            pair,
            (
                f"{droplet.public.address} . {droplet.anchor.ip} : {address}"
                for address, droplet in assigned
            ),
        ),
        *_named_set(
            "map own_replies",
            pair,
            (
                f"{droplet.anchor.ip} . {address} : {droplet.public.address}"
                for address, droplet in assigned
            ),
        ),
        *_chain(
            "arriving",
            "type filter hook prerouting priority -200; policy accept;",
            [
                'iifname "q*" accept',
                f"ip daddr {ANCHOR_NETWORK} ip daddr != {ANCHOR_NETWORK[1]} drop",
                "ether daddr set ip daddr map @machines",
                "ip daddr set ip saddr . ip daddr map @own_replies accept",
                "ip daddr set ip daddr map @anchors",
            ],
        ),
        *_chain(
            "leaving",
            "type filter hook postrouting priority 200; policy accept;",
            [
                'oifname "q*" accept',
                "ip saddr set ip saddr . ip daddr map @own_requests",
                "ip saddr set ip saddr map @reserved",
            ],
        ),
    ]


def _filter(config: CloudConfig, network_state: NetworkState) -> list[str]:
    """Return the table that filters traffic of droplets, of load balancers and to services."""
    chains: dict[str, list[str]] = {}
    addresses_of_reserved = {
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
            _shared_chain(chains, "in", guarded.inbound, anchors),
            _shared_chain(chains, "out", guarded.outbound, anchors),
        )
        addresses = {*guarded.addresses, *addresses_of_reserved.get(guarded.droplet_id, [])}
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
    replies = "ct state established,related accept"
    service = "ip daddr . meta l4proto . th dport"
    return [
        *_delete_table("inet"),
        "table inet slipway {",
        *(line for name, rules in chains.items() for line in _chain(name, None, rules)),
        *_named_set("map inbound", "ipv4_addr : verdict", inbound),
        *_named_set("map outbound", "ipv4_addr : verdict", outbound),
        *_named_set("set droplets", "ipv4_addr", droplets),
        *_named_set("set platform", "ipv4_addr . inet_proto . inet_service", platform),
        *_named_set("set served", "ipv4_addr . inet_proto . inet_service", served),
        # Between two ports of a bridge. Only droplets are destinations: no broadcast, not the host.
        *_chain(
            "forward",
            "type filter hook forward priority 0; policy drop;",
            [
                replies,
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
                replies,
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
            [replies, "ip daddr vmap @inbound"],
        ),
        "}",
    ]


def _shared_chain(
    chains: dict[str, list[str]],
    direction: Literal["in", "out"],
    rules: list[FirewallRule],
    anchors: Anchors,
) -> str:
    """Add the chain that accepts only ``rules`` to ``chains`` and return its name."""
    side = "saddr" if direction == "in" else "daddr"
    lines = [
        *dict.fromkeys(_statement(side, rule, anchors) for rule in rules if rule.peers),
        "drop",
    ]
    name = f"{direction}_{hashlib.sha256(repr(lines).encode()).hexdigest()[:16]}"
    chains[name] = lines
    return name


def _statement(side: str, rule: FirewallRule, anchors: Anchors) -> str:
    """Return the nftables statement of one rule.

    It ends in ``return``, not ``accept``: the hook's chain then applies the other droplet's rules.
    Packets have the anchor address here, so a rule for a reserved address applies to that.
    """
    translated = [
        IPv4Network(anchor)
        for address, anchor in anchors.items()
        if any(address in peer for peer in rule.peers)
    ]
    peers = list(collapse_addresses([*rule.peers, *translated]))
    match = "" if ANYWHERE in peers else f"ip {side} {{ {', '.join(map(str, peers))} }} "
    if rule.protocol == "icmp" or rule.ports in ("all", "0"):
        return f"{match}meta l4proto {rule.protocol} return"
    return f"{match}{rule.protocol} dport {rule.ports} return"


def _delete_table(family: str) -> list[str]:
    """Return the lines that delete a table if it exists.

    They are in the same transaction as the new table, so no packet passes unfiltered.
    """
    return [f"add table {family} slipway", f"delete table {family} slipway"]


def _named_set(declaration: str, type_: str, elements: Iterable[str]) -> list[str]:
    unique = list(dict.fromkeys(elements))
    listed = [f"    elements = {{ {', '.join(unique)} }}"] if unique else []
    return [f"  {declaration} {{", f"    type {type_};", *listed, "  }"]


def _chain(name: str, hook: str | None, rules: list[str]) -> list[str]:
    return [
        f"  chain {name} {{",
        *(f"    {line}" for line in ([hook] if hook else []) + rules),
        "  }",
    ]
