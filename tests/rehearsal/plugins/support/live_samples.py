"""Sample inputs of each DigitalOcean resource, with two values for each property."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rehearsal.plugins.digitalocean.certificate import Certificate
from rehearsal.plugins.digitalocean.dns_record import DnsRecord
from rehearsal.plugins.digitalocean.domain import Domain
from rehearsal.plugins.digitalocean.droplet import Droplet
from rehearsal.plugins.digitalocean.firewall import Firewall
from rehearsal.plugins.digitalocean.load_balancer import LoadBalancer
from rehearsal.plugins.digitalocean.project import Project, ProjectResources
from rehearsal.plugins.digitalocean.reserved_ip import ReservedIp, ReservedIpAssignment
from rehearsal.plugins.digitalocean.spaces_key import SpacesKey
from rehearsal.plugins.digitalocean.ssh_key import SshKey
from rehearsal.plugins.digitalocean.tag import Tag
from rehearsal.plugins.digitalocean.vpc import Vpc
from rehearsal.plugins.properties import State
from tests.rehearsal.plugins.support.account import Account

Pair = tuple[object, object]


@dataclass(frozen=True)
class Samples:
    """Samples of one resource type."""

    base: Callable[[Account], State]
    """Required inputs."""
    pairs: dict[str, Callable[[Account], Pair]]
    """By property, the value for the creation and the changed value."""
    companions: dict[str, State] = field(default_factory=dict)
    """By property, further inputs that it requires."""
    not_returned: tuple[str, ...] = ()
    """Properties that the API does not return, so that an import lacks them."""
    compared_only: dict[str, str] = field(default_factory=dict)
    """By property, why the changed value is only compared and not applied."""
    import_id: Callable[[str, State], str] | None = lambda resource_id, state: resource_id
    """Returns the import id; None if the resource cannot be imported."""
    before_delete: Callable[[Account], None] = lambda account: None
    """Prepares the deletion."""
    shares_id: bool = False
    """Whether the id belongs to an object that outlives the resource."""


HEALTH = {"protocol": "http", "port": 80, "path": "/"}
RULE = {"entryPort": 80, "entryProtocol": "http", "targetPort": 8080, "targetProtocol": "http"}
INBOUND = {"protocol": "tcp", "portRange": "22", "sourceAddresses": ["192.0.2.0/24"]}
OUTBOUND = {"protocol": "udp", "portRange": "53", "destinationAddresses": ["0.0.0.0/0"]}

SAMPLES = {
    Certificate: Samples(
        lambda a: {
            "name": a.new_name(),
            "privateKey": a.uploaded.key_pem,
            "leafCertificate": a.uploaded.pem,
        },
        {
            "certificateChain": lambda a: (a.authority.pem, a.uploaded.pem),
            "domains": lambda a: ([a.create_domain()], [a.create_domain()]),
            "leafCertificate": lambda a: (a.uploaded.pem, a.issue_again().pem),
            "name": lambda a: (a.new_name(), a.new_name()),
            "privateKey": lambda a: (a.uploaded.key_pem, a.authority.key_pem),
            "type": lambda a: ("custom", "lets_encrypt"),
        },
        companions={
            "domains": {"type": "lets_encrypt", "privateKey": None, "leafCertificate": None}
        },
        not_returned=("certificateChain", "leafCertificate", "privateKey"),
        compared_only={
            "certificateChain": "another does not belong to the certificate",
            "privateKey": "another does not belong to the certificate",
            "type": "the other takes other properties",
        },
    ),
    DnsRecord: Samples(
        lambda a: {"domain": a.create_domain(), "name": "www", "type": "A", "value": "192.0.2.1"},
        {
            "domain": lambda a: (a.create_domain(), a.create_domain()),
            "flags": lambda a: (0, 128),
            "name": lambda a: ("www", "ftp"),
            "port": lambda a: (443, 8443),
            "priority": lambda a: (10, 20),
            "tag": lambda a: ("issue", "issuewild"),
            "ttl": lambda a: (300, 600),
            "type": lambda a: ("A", "TXT"),
            "value": lambda a: ("192.0.2.1", "192.0.2.2"),
            "weight": lambda a: (5, 50),
        },
        companions={
            "flags": {"type": "CAA", "tag": "issue", "value": "example.org."},
            "tag": {"type": "CAA", "flags": 0, "value": "example.org."},
            "port": {
                "type": "SRV",
                "priority": 1,
                "weight": 1,
                "value": "host.example.org.",
                "name": "_sip._tcp",
            },
            "weight": {
                "type": "SRV",
                "priority": 1,
                "port": 5060,
                "value": "host.example.org.",
                "name": "_sip._tcp",
            },
            "priority": {"type": "MX", "value": "mail.example.org."},
        },
        compared_only={"type": "a TXT record of an address says something else"},
        import_id=lambda resource_id, state: f"{state['domain']},{resource_id}",
    ),
    Domain: Samples(
        lambda a: {"name": f"{a.new_name()}.example.com"},
        {
            "ipAddress": lambda a: ("192.0.2.1", "192.0.2.2"),
            "name": lambda a: (f"{a.new_name()}.example.com", f"{a.new_name()}.example.com"),
        },
        not_returned=("ipAddress",),
    ),
    Droplet: Samples(
        lambda a: {
            "name": a.new_name(),
            "image": "debian-12-x64",
            "region": "nyc3",
            "size": "s-1vcpu-1gb",
        },
        {
            "backupPolicy": lambda a: (
                {"plan": "weekly", "weekday": "SUN", "hour": 4},
                {"plan": "daily", "hour": 8},
            ),
            "backups": lambda a: (False, True),
            "dropletAgent": lambda a: (False, True),
            "gracefulShutdown": lambda a: (False, True),
            "image": lambda a: ("debian-12-x64", a.create_image()),
            "ipv6": lambda a: (False, True),
            "monitoring": lambda a: (False, True),
            "name": lambda a: (a.new_name(), a.new_name()),
            "privateNetworking": lambda a: (True, False),
            "publicNetworking": lambda a: (True, False),
            "region": lambda a: ("nyc3", "fra1"),
            "resizeDisk": lambda a: (True, False),
            "size": lambda a: ("s-1vcpu-1gb", "s-1vcpu-2gb"),
            "sshKeys": lambda a: ([a.create_ssh_key()], [a.create_ssh_key()]),
            "tags": lambda a: ([a.create_tag()], [a.create_tag(), a.create_tag()]),
            "userData": lambda a: ("#cloud-config\n", "#cloud-config\nhostname: other\n"),
            "vpcUuid": lambda a: (a.create_vpc(), a.create_vpc()),
        },
        companions={"backupPolicy": {"backups": True}},
        not_returned=(
            "backupPolicy",
            "dropletAgent",
            "gracefulShutdown",
            "resizeDisk",
            "sshKeys",
            "userData",
        ),
        compared_only={
            "privateNetworking": "each droplet has it",
            "publicNetworking": "each droplet of the rehearsal has it",
        },
    ),
    Firewall: Samples(
        lambda a: {"name": a.new_name(), "inboundRules": [INBOUND], "outboundRules": [OUTBOUND]},
        {
            "dropletIds": lambda a: ([a.create_droplet()], [a.create_droplet()]),
            "inboundRules": lambda a: (
                [INBOUND],
                [INBOUND, {**INBOUND, "portRange": "8000-8080", "sourceTags": [a.create_tag()]}],
            ),
            "name": lambda a: (a.new_name(), a.new_name()),
            "outboundRules": lambda a: (
                [OUTBOUND],
                [{"protocol": "icmp", "destinationAddresses": ["::/0"]}],
            ),
            "tags": lambda a: ([a.create_tag()], [a.create_tag()]),
        },
    ),
    LoadBalancer: Samples(
        lambda a: {"name": a.new_name(), "region": "nyc3", "forwardingRules": [RULE]},
        {
            "algorithm": lambda a: ("round_robin", "least_connections"),
            "disableLetsEncryptDnsRecords": lambda a: (False, True),
            "dropletIds": lambda a: ([a.create_droplet()], [a.create_droplet()]),
            "dropletTag": lambda a: (a.create_tag(), a.create_tag()),
            "enableBackendKeepalive": lambda a: (False, True),
            "enableProxyProtocol": lambda a: (False, True),
            "firewall": lambda a: (
                {"allows": ["ip:192.0.2.1"], "denies": []},
                {"allows": [], "denies": ["cidr:192.0.2.0/24"]},
            ),
            "forwardingRules": lambda a: ([RULE], [RULE, {**RULE, "entryPort": 81}]),
            "healthcheck": lambda a: (
                HEALTH,
                {**HEALTH, "path": "/health", "checkIntervalSeconds": 5},
            ),
            "httpIdleTimeoutSeconds": lambda a: (60, 90),
            "name": lambda a: (a.new_name(), a.new_name()),
            "network": lambda a: ("EXTERNAL", "INTERNAL"),
            "networkStack": lambda a: ("IPV4", "DUALSTACK"),
            "projectId": lambda a: (a.create_project(), a.create_project()),
            "redirectHttpToHttps": lambda a: (False, True),
            "region": lambda a: ("nyc3", "fra1"),
            "size": lambda a: ("lb-small", "lb-medium"),
            "sizeUnit": lambda a: (1, 2),
            "stickySessions": lambda a: (
                {"type": "none"},
                {"type": "cookies", "cookieName": "LB", "cookieTtlSeconds": 300},
            ),
            "tlsCipherPolicy": lambda a: ("DEFAULT", "STRONG"),
            "type": lambda a: ("REGIONAL", "REGIONAL_NETWORK"),
            "vpcUuid": lambda a: (a.create_vpc(), a.create_vpc()),
        },
        not_returned=("size", "network", "networkStack", "tlsCipherPolicy"),
        compared_only={
            "networkStack": "the rehearsal has no IPv6",
            "type": "the rehearsal has no network load balancers",
        },
    ),
    Project: Samples(
        lambda a: {"name": a.new_name()},
        {
            "description": lambda a: ("one", "another"),
            "environment": lambda a: ("Development", "Production"),
            "isDefault": lambda a: (False, True),
            "name": lambda a: (a.new_name(), a.new_name()),
            "purpose": lambda a: ("Web Application", "Machine learning"),
            "resources": lambda a: ([a.create_droplet_urn()], [a.create_droplet_urn()]),
        },
        before_delete=Account.restore_default_project,
    ),
    ProjectResources: Samples(
        lambda a: {"project": a.create_project(), "resources": [a.create_droplet_urn()]},
        {
            "project": lambda a: (a.create_project(), a.create_project()),
            "resources": lambda a: ([a.create_droplet_urn()], [a.create_droplet_urn()]),
        },
        shares_id=True,
    ),
    ReservedIp: Samples(
        lambda a: {"region": "nyc3"},
        {
            "dropletId": lambda a: (a.create_droplet(), a.create_droplet()),
            "region": lambda a: ("nyc3", "fra1"),
        },
    ),
    ReservedIpAssignment: Samples(
        lambda a: {"dropletId": a.create_droplet(), "ipAddress": a.create_reserved_ip()},
        {
            "dropletId": lambda a: (a.create_droplet(), a.create_droplet()),
            "ipAddress": lambda a: (a.create_reserved_ip(), a.create_reserved_ip()),
        },
        import_id=None,
    ),
    SpacesKey: Samples(
        lambda a: {"name": a.new_name()},
        {
            "grants": lambda a: (
                [{"bucket": "one", "permission": "readwrite"}],
                [{"bucket": "two", "permission": "read"}],
            ),
            "name": lambda a: (a.new_name(), a.new_name()),
        },
        not_returned=("secretKey",),
    ),
    SshKey: Samples(
        lambda a: {"name": a.new_name(), "publicKey": a.new_public_key()},
        {
            "name": lambda a: (a.new_name(), a.new_name()),
            "publicKey": lambda a: (a.new_public_key(), a.new_public_key()),
        },
    ),
    Tag: Samples(
        lambda a: {"name": a.new_name()}, {"name": lambda a: (a.new_name(), a.new_name())}
    ),
    Vpc: Samples(
        lambda a: {"name": a.new_name(), "region": "nyc3"},
        {
            "description": lambda a: ("one", "another"),
            "ipRange": lambda a: (a.new_ip_range(), a.new_ip_range()),
            "name": lambda a: (a.new_name(), a.new_name()),
            "region": lambda a: ("nyc3", "fra1"),
        },
    ),
}
