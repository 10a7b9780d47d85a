"""What the store keeps: one class a kind.

These hold facts; how they look on the wire is for each room's shapes.
"""

from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from rehearsal.state.states import (
    ActionStatus,
    BalancerStatus,
    CertificateState,
    DropletStatus,
    ImageStatus,
)
from rehearsal.state.store import Record


class Part(BaseModel):
    """A part of a record, without an id of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SshKey(Record):
    kind: ClassVar[str] = "ssh_key"
    id: int
    name: str
    public_key: str
    fingerprint: str


class Image(Record):
    kind: ClassVar[str] = "image"
    id: int
    name: str
    type: Literal["base", "snapshot"]
    distribution: str
    slug: str | None = None
    public: bool
    regions: list[str]
    created_at: str
    min_disk_size: int
    """GiB."""
    size_gigabytes: float
    description: str
    status: ImageStatus
    tags: list[str] = Field(default_factory=list)
    droplet_id: int | None = None
    """The droplet that a snapshot was taken of."""

    @property
    def source(self) -> str:
        """The name by which machines know its disk."""
        return self.slug or str(self.id)


class BackupPolicy(Part):
    plan: Literal["daily", "weekly"] = "weekly"
    weekday: Literal["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] = "SUN"
    hour: Literal[0, 4, 8, 12, 16, 20] = 0


class Droplet(Record):
    kind: ClassVar[str] = "droplet"
    id: int
    name: str
    region: str
    size: str
    disk: int
    """GiB; more than the size's own after a resize that left it alone."""
    image: Image
    """As it was when the droplet was made from it."""
    vpc_id: str
    public: IPv4Address
    private: IPv4Address
    status: DropletStatus
    pending: int | None
    """The action that is being done; until it ends the droplet is locked."""
    created_at: str
    features: list[str]
    backup_policy: BackupPolicy | None = None
    tags: list[str]
    user_data: str
    public_keys: list[str]

    @property
    def urn(self) -> str:
        return f"do:droplet:{self.id}"


class Action(Record):
    kind: ClassVar[str] = "action"
    id: int
    type: str
    status: ActionStatus
    started_at: str
    completed_at: str | None = None
    resource_id: int
    resource_type: Literal["droplet", "image", "reserved_ip"]
    region: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What the work needs to be done again after a crash."""


class ReservedIp(Record):
    """Its id is the address."""

    kind: ClassVar[str] = "reserved_ip"
    id: str
    region: str
    droplet_id: int | None
    """The droplet that it points to."""
    pending: int | None
    """The action that moves it; until that ends the address is locked."""
    created_at: str

    @property
    def public(self) -> IPv4Address:
        return IPv4Address(self.id)

    @property
    def number(self) -> int:
        """What actions call it: the address as one number."""
        return int(self.public)

    @property
    def urn(self) -> str:
        """Floating, not reserved: so the API's description has it, and so Terraform's provider sees it (its issues 1031 and 1264)."""
        return f"do:floatingip:{self.id}"


class Vpc(Record):
    kind: ClassVar[str] = "vpc"
    id: str
    name: str
    description: str
    region: str
    range: IPv4Network
    default: bool
    created_at: str

    @property
    def urn(self) -> str:
        return f"do:vpc:{self.id}"

    @property
    def gateway(self) -> IPv4Address:
        return self.range[1]


class Peers(Part):
    """Sources or destinations of a firewall rule."""

    addresses: list[str] = Field(default_factory=list)
    droplet_ids: list[int] = Field(default_factory=list)
    load_balancer_uids: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)


class FirewallRule(Part):
    protocol: Literal["tcp", "udp", "icmp"]
    ports: str
    """``0`` for all."""
    peers: Peers


class Firewall(Record):
    kind: ClassVar[str] = "firewall"
    id: str
    name: str
    created_at: str
    inbound: list[FirewallRule]
    outbound: list[FirewallRule]
    droplet_ids: list[int]
    tags: list[str]


class ForwardingRule(Part):
    entry_protocol: Literal["http", "https", "http2", "tcp"]
    entry_port: int
    target_protocol: Literal["http", "https", "http2", "tcp"]
    target_port: int
    certificate_id: str = ""
    tls_passthrough: bool = False


class HealthCheck(Part):
    protocol: Literal["http", "https", "tcp"] = "http"
    port: int = 80
    path: str = "/"
    check_interval_seconds: int = 10
    response_timeout_seconds: int = 5
    unhealthy_threshold: int = 5
    healthy_threshold: int = 3


class StickySessions(Part):
    type: Literal["none", "cookies"] = "none"
    cookie_name: str = ""
    cookie_ttl_seconds: int = 0


class BalancerFirewall(Part):
    """Who may connect to a balancer: ``ip:192.0.2.1`` or ``cidr:192.0.2.0/24``."""

    allow: list[str] = Field(default_factory=list)
    deny: list[str] = Field(default_factory=list)


class Balancer(Record):
    kind: ClassVar[str] = "load_balancer"
    id: str
    name: str
    region: str
    vpc_id: str
    network: Literal["EXTERNAL", "INTERNAL"] = "EXTERNAL"
    public: IPv4Address
    """Where it listens; an internal one does so at its private address."""
    private: IPv4Address
    status: BalancerStatus
    created_at: str
    algorithm: Literal["round_robin", "least_connections"]
    forwarding_rules: list[ForwardingRule]
    health_check: HealthCheck
    sticky_sessions: StickySessions
    redirect_http_to_https: bool
    enable_proxy_protocol: bool
    enable_backend_keepalive: bool
    disable_lets_encrypt_dns_records: bool
    http_idle_timeout_seconds: int
    tls_cipher_policy: Literal["DEFAULT", "STRONG"]
    size_unit: int
    firewall: BalancerFirewall = BalancerFirewall()
    project_id: str
    droplet_ids: list[int]
    tag: str

    @property
    def urn(self) -> str:
        return f"do:loadbalancer:{self.id}"

    @property
    def certificates(self) -> set[str]:
        """The ids of the certificates that its rules name."""
        return {rule.certificate_id for rule in self.forwarding_rules if rule.certificate_id}


class Certificate(Record):
    """What is public of it; its key is in a file of the cloud's directory (certificates.py)."""

    kind: ClassVar[str] = "certificate"
    id: str
    name: str
    type: Literal["custom", "lets_encrypt"]
    state: CertificateState
    dns_names: list[str]
    not_after: str
    sha1_fingerprint: str
    created_at: str


class Tag(Record):
    """Its id is the name in lower case: tags keep the case of their creation but are found in any."""

    kind: ClassVar[str] = "tag"
    id: str
    name: str


class Project(Record):
    kind: ClassVar[str] = "project"
    id: str
    name: str
    description: str
    purpose: str
    environment: Literal["Development", "Staging", "Production"] | None
    is_default: bool
    created_at: str
    updated_at: str
    resources: dict[str, str] = Field(default_factory=dict)
    """URN and the time at which it was assigned."""


class Grant(Part):
    """What a Spaces key may do: with one bucket, or with everything."""

    bucket: str
    """Empty for full access."""
    permission: Literal["read", "readwrite", "fullaccess", ""]


class SpacesKey(Record):
    """Its id is the access key."""

    kind: ClassVar[str] = "spaces_key"
    id: str
    name: str
    owner: str
    """The account, by which Spaces knows whose buckets it opens."""
    secret: str
    grants: list[Grant]
    created_at: str
