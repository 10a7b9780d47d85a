"""What the network should be: the store's firewalls, balancers and droplets with every name resolved to addresses."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from rehearsal.catalog.sizes import SIZES
from rehearsal.config import CloudConfig
from rehearsal.state import lookup
from rehearsal.state.addressing import mac
from rehearsal.state.domains import Domain, DomainRecord
from rehearsal.state.records import Balancer as BalancerRecord
from rehearsal.state.records import (
    Droplet,
    Firewall,
    FirewallRule,
    ForwardingRule,
    Peers,
    ReservedIp,
    Vpc,
)
from rehearsal.state.store import Store
from rehearsal.topology import zones
from rehearsal.topology.protocol import (
    Balancer,
    Firewalled,
    Forward,
    HealthCheck,
    Interface,
    MachineSpec,
    Network,
    NetworkState,
    Rule,
    Zone,
)

_ALL_PORTS = ("0", "all", "")


def network_state(store: Store, config: CloudConfig) -> NetworkState:
    """The whole network as the store of one account wants it now: what an account names is its own."""
    droplets = lookup.droplets(store)
    return NetworkState(
        droplets=[machine_spec(store, config, droplet) for droplet in droplets],
        networks=[
            Network(id=vpc.id, range=vpc.range, gateway=vpc.gateway) for vpc in store.all(Vpc)
        ],
        firewalled=[found for droplet in droplets if (found := _firewalled(store, droplet))],
        balancers=[_balancer(store, balancer) for balancer in store.all(BalancerRecord)],
        zones=_zones(store),
    )


def joined(fabrics: Iterable[NetworkState]) -> NetworkState:
    """The networks of all accounts as the one that they share."""
    parts = list(fabrics)
    return NetworkState(
        **{
            field: [item for part in parts for item in getattr(part, field)]
            for field in NetworkState.model_fields
        }
    )


def machine_spec(store: Store, config: CloudConfig, droplet: Droplet) -> MachineSpec:
    """The machine behind a droplet, as it should be."""
    vpc = lookup.vpc(store, droplet.vpc_id)
    size = SIZES[droplet.size]
    return MachineSpec(
        id=droplet.id,
        name=droplet.name,
        image=droplet.image.source,
        region=droplet.region,
        memory_mb=size.memory,
        vcpus=size.vcpus,
        disk_gb=droplet.disk,
        vpc_id=vpc.id,
        public=Interface(
            mac=mac(droplet.id, 0),
            address=droplet.public,
            network=config.public_network,
            gateway=config.gateway,
        ),
        private=Interface(
            mac=mac(droplet.id, 1), address=droplet.private, network=vpc.range, gateway=vpc.gateway
        ),
        user_data=droplet.user_data,
        public_keys=droplet.public_keys,
        tags=droplet.tags,
        reserved=next(
            (
                address.public
                for address in store.all(ReservedIp)
                if address.droplet_id == droplet.id
            ),
            None,
        ),
    )


def covers(firewall: Firewall, droplet: Droplet) -> bool:
    """Whether a firewall applies to a droplet, by its id or by a tag."""
    return droplet.id in firewall.droplet_ids or not set(firewall.tags).isdisjoint(droplet.tags)


def targets(store: Store, balancer: BalancerRecord) -> list[Droplet]:
    """The droplets that a balancer forwards to: those named or tagged, of its VPC."""
    return [
        droplet
        for droplet in lookup.droplets(store)
        if droplet.vpc_id == balancer.vpc_id
        and (droplet.id in balancer.droplet_ids or balancer.tag in droplet.tags)
    ]


def _zones(store: Store) -> list[Zone]:
    records = zones.by_domain(store.all(DomainRecord))
    return [zones.zone(domain, records[domain.id]) for domain in store.all(Domain)]


def _firewalled(store: Store, droplet: Droplet) -> Firewalled | None:
    firewalls = [firewall for firewall in store.all(Firewall) if covers(firewall, droplet)]
    if not firewalls:
        return None
    return Firewalled(
        droplet_id=droplet.id,
        addresses=[droplet.public, droplet.private],
        inbound=[_rule(store, rule) for firewall in firewalls for rule in firewall.inbound],
        outbound=[_rule(store, rule) for firewall in firewalls for rule in firewall.outbound],
    )


def _rule(store: Store, rule: FirewallRule) -> Rule:
    ports = "all" if rule.ports in _ALL_PORTS else rule.ports
    return Rule(protocol=rule.protocol, ports=ports, peers=list(_networks(store, rule.peers)))


def _networks(store: Store, peers: Peers) -> Iterable[IPv4Network]:
    for text in peers.addresses:
        network = ip_network(text, strict=False)
        if isinstance(network, IPv4Network):
            yield network
    for droplet in lookup.droplets(store):
        if droplet.id in peers.droplet_ids or not set(peers.tags).isdisjoint(droplet.tags):
            yield from (IPv4Network(droplet.public), IPv4Network(droplet.private))
    for balancer in store.all(BalancerRecord):
        if balancer.id in peers.load_balancer_uids:
            yield from (IPv4Network(balancer.public), IPv4Network(balancer.private))


def _balancer(store: Store, balancer: BalancerRecord) -> Balancer:
    sticky = balancer.sticky_sessions
    return Balancer(
        id=balancer.id,
        public=balancer.public,
        private=balancer.private,
        vpc_id=balancer.vpc_id,
        within=lookup.vpc(store, balancer.vpc_id).range if balancer.network == "INTERNAL" else None,
        allow=[_source(rule) for rule in balancer.firewall.allow],
        deny=[_source(rule) for rule in balancer.firewall.deny],
        strong_ciphers=balancer.tls_cipher_policy == "STRONG",
        algorithm=balancer.algorithm,
        forwards=[_forward(rule) for rule in balancer.forwarding_rules],
        health=_health(balancer),
        sticky_cookie=sticky.cookie_name if sticky.type == "cookies" else None,
        sticky_seconds=sticky.cookie_ttl_seconds,
        redirect_http_to_https=balancer.redirect_http_to_https,
        proxy_protocol=balancer.enable_proxy_protocol,
        keepalive=balancer.enable_backend_keepalive,
        idle_seconds=balancer.http_idle_timeout_seconds,
        targets=[droplet.private for droplet in targets(store, balancer)],
    )


def _source(rule: str) -> IPv4Network | IPv6Network:
    """Of a balancer's firewall: ``ip:192.0.2.1`` or ``cidr:192.0.2.0/24``."""
    return ip_network(rule.partition(":")[2], strict=False)


def _forward(rule: ForwardingRule) -> Forward:
    return Forward(
        entry_protocol="tcp" if rule.tls_passthrough else rule.entry_protocol,
        entry_port=rule.entry_port,
        target_protocol="tcp" if rule.tls_passthrough else rule.target_protocol,
        target_port=rule.target_port,
        certificate=rule.certificate_id,
    )


def _health(balancer: BalancerRecord) -> HealthCheck:
    check = balancer.health_check
    return HealthCheck(
        protocol=check.protocol,
        port=check.port,
        path=check.path,
        interval=check.check_interval_seconds,
        timeout=check.response_timeout_seconds,
        unhealthy=check.unhealthy_threshold,
        healthy=check.healthy_threshold,
    )
