"""Derives the network state from the store: every name is resolved to addresses."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from rehearsal.catalog.sizes import SIZES
from rehearsal.config import CloudConfig
from rehearsal.state import firewalls, lookup, records
from rehearsal.state.addressing import mac_address
from rehearsal.state.domains import Domain, DomainRecord
from rehearsal.state.store import Store
from rehearsal.topology import zones
from rehearsal.topology.protocol import (
    DropletFirewall,
    FirewallRule,
    ForwardingRule,
    HealthCheck,
    Interface,
    LoadBalancer,
    MachineSpec,
    Network,
    NetworkState,
    Zone,
)

_ALL_PORTS = ("0", "all", "")


def build_network_state(store: Store, config: CloudConfig) -> NetworkState:
    """Return the desired network of one account. Names resolve to its own resources only."""
    droplets = lookup.list_droplets(store)
    droplet_firewalls = (_droplet_firewall(store, droplet) for droplet in droplets)
    return NetworkState(
        droplets=[build_machine_spec(store, config, droplet) for droplet in droplets],
        networks=[
            Network(id=vpc.id, range=vpc.ip_range, gateway=vpc.gateway)
            for vpc in store.all(records.Vpc)
        ],
        droplet_firewalls=[firewall for firewall in droplet_firewalls if firewall],
        load_balancers=[
            _load_balancer(store, balancer) for balancer in store.all(records.LoadBalancer)
        ],
        zones=_zones(store),
    )


def merge_network_states(network_states: Iterable[NetworkState]) -> NetworkState:
    """Return one network state with the content of all."""
    parts = list(network_states)
    return NetworkState(
        **{
            field: [item for part in parts for item in getattr(part, field)]
            for field in NetworkState.model_fields
        }
    )


def build_machine_spec(store: Store, config: CloudConfig, droplet: records.Droplet) -> MachineSpec:
    """Return the machine that a droplet needs."""
    vpc = lookup.get_vpc(store, droplet.vpc_id)
    size = SIZES[droplet.size]
    return MachineSpec(
        id=droplet.id,
        name=droplet.name,
        image=droplet.image.disk_name,
        region=droplet.region,
        memory_mb=size.memory,
        vcpus=size.vcpus,
        disk_gb=droplet.disk,
        vpc_id=vpc.id,
        public=Interface(
            mac=mac_address(droplet.id, 0),
            address=droplet.public_ip,
            network=config.public_network,
            gateway=config.gateway,
        ),
        private=Interface(
            mac=mac_address(droplet.id, 1),
            address=droplet.private_ip,
            network=vpc.ip_range,
            gateway=vpc.gateway,
        ),
        user_data=droplet.user_data,
        public_keys=droplet.public_keys,
        tags=droplet.tags,
        reserved_ip=next(
            (
                reserved_ip.public_ip
                for reserved_ip in store.all(records.ReservedIp)
                if reserved_ip.droplet_id == droplet.id
            ),
            None,
        ),
    )


def list_targets(store: Store, balancer: records.LoadBalancer) -> list[records.Droplet]:
    """Return the droplets that a load balancer forwards to: named or tagged, and in its VPC."""
    return [
        droplet
        for droplet in lookup.list_droplets(store)
        if droplet.vpc_id == balancer.vpc_id
        and (droplet.id in balancer.droplet_ids or balancer.tag in droplet.tags)
    ]


def _zones(store: Store) -> list[Zone]:
    domain_records = zones.group_by_domain(store.all(DomainRecord))
    return [zones.build_zone(domain, domain_records[domain.id]) for domain in store.all(Domain)]


def _droplet_firewall(store: Store, droplet: records.Droplet) -> DropletFirewall | None:
    """Return the rules of all firewalls of a droplet, or None if it has no firewall."""
    assigned = [
        firewall for firewall in store.all(firewalls.Firewall) if firewall.applies_to(droplet)
    ]
    if not assigned:
        return None
    return DropletFirewall(
        droplet_id=droplet.id,
        addresses=[droplet.public_ip, droplet.private_ip],
        inbound=[_firewall_rule(store, rule) for firewall in assigned for rule in firewall.inbound],
        outbound=[
            _firewall_rule(store, rule) for firewall in assigned for rule in firewall.outbound
        ],
    )


def _firewall_rule(store: Store, rule: firewalls.FirewallRule) -> FirewallRule:
    ports = "all" if rule.ports in _ALL_PORTS else rule.ports
    peers = list(_peer_networks(store, rule.peers))
    return FirewallRule(protocol=rule.protocol, ports=ports, peers=peers)


def _peer_networks(store: Store, peers: firewalls.Peers) -> Iterable[IPv4Network]:
    for text in peers.addresses:
        network = ip_network(text, strict=False)
        if isinstance(network, IPv4Network):
            yield network
    for droplet in lookup.list_droplets(store):
        if droplet.id in peers.droplet_ids or not set(peers.tags).isdisjoint(droplet.tags):
            yield from (IPv4Network(droplet.public_ip), IPv4Network(droplet.private_ip))
    for balancer in store.all(records.LoadBalancer):
        if balancer.id in peers.load_balancer_uids:
            yield from (IPv4Network(balancer.public_ip), IPv4Network(balancer.private_ip))


def _load_balancer(store: Store, balancer: records.LoadBalancer) -> LoadBalancer:
    sticky = balancer.sticky_sessions
    is_internal = balancer.network == "INTERNAL"
    return LoadBalancer(
        id=balancer.id,
        public=balancer.public_ip,
        private=balancer.private_ip,
        vpc_id=balancer.vpc_id,
        internal_network=lookup.get_vpc(store, balancer.vpc_id).ip_range if is_internal else None,
        allow=[_firewall_source(rule) for rule in balancer.firewall.allow],
        deny=[_firewall_source(rule) for rule in balancer.firewall.deny],
        strong_ciphers=balancer.tls_cipher_policy == "STRONG",
        algorithm=balancer.algorithm,
        forwarding_rules=[_forwarding_rule(rule) for rule in balancer.forwarding_rules],
        health_check=_health_check(balancer.health_check),
        sticky_cookie=sticky.cookie_name if sticky.type == "cookies" else None,
        sticky_seconds=sticky.cookie_ttl_seconds,
        redirect_http_to_https=balancer.redirect_http_to_https,
        proxy_protocol=balancer.enable_proxy_protocol,
        keepalive=balancer.enable_backend_keepalive,
        idle_seconds=balancer.http_idle_timeout_seconds,
        targets=[droplet.private_ip for droplet in list_targets(store, balancer)],
    )


def _firewall_source(rule: str) -> IPv4Network | IPv6Network:
    """Return the network of ``ip:192.0.2.1`` or ``cidr:192.0.2.0/24``."""
    return ip_network(rule.partition(":")[2], strict=False)


def _forwarding_rule(rule: records.ForwardingRule) -> ForwardingRule:
    return ForwardingRule(
        entry_protocol="tcp" if rule.tls_passthrough else rule.entry_protocol,
        entry_port=rule.entry_port,
        target_protocol="tcp" if rule.tls_passthrough else rule.target_protocol,
        target_port=rule.target_port,
        certificate_id=rule.certificate_id,
    )


def _health_check(check: records.HealthCheck) -> HealthCheck:
    return HealthCheck(
        protocol=check.protocol,
        port=check.port,
        path=check.path,
        interval_s=check.check_interval_seconds,
        timeout_s=check.response_timeout_seconds,
        unhealthy_threshold=check.unhealthy_threshold,
        healthy_threshold=check.healthy_threshold,
    )
