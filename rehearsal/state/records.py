"""The records of the store, one class for each kind.

A resource's ``schemas`` module turns a record into the JSON of the API.
"""

from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from rehearsal.state.states import (
    ActionStatus,
    CertificateState,
    DropletStatus,
    ImageStatus,
    LoadBalancerStatus,
)
from rehearsal.state.store import Record


class RecordPart(BaseModel):
    """A part of a record, without an id."""

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
    is_public: bool
    regions: list[str]
    created_at: str
    min_disk_size: int
    """GiB."""
    size_gigabytes: float
    description: str
    status: ImageStatus
    tags: list[str] = Field(default_factory=list)
    droplet_id: int | None = None
    """The droplet of a snapshot."""

    @property
    def disk_name(self) -> str:
        """The name of the image's disk among the machines."""
        return self.slug or str(self.id)


class BackupPolicy(RecordPart):
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
    """GiB. Differs from the size's disk after a resize without ``disk``."""
    image: Image
    """The image as it was when the droplet was created or rebuilt."""
    vpc_id: str
    public_ip: IPv4Address
    private_ip: IPv4Address
    status: DropletStatus
    pending_action_id: int | None
    """The action in progress, which locks the droplet."""
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
    """What the action's handler needs, also to repeat the action after a crash."""


class ReservedIp(Record):
    """A reserved IP; the id is the address."""

    kind: ClassVar[str] = "reserved_ip"
    id: str
    region: str
    droplet_id: int | None
    """The droplet that it is assigned to."""
    pending_action_id: int | None
    """The action in progress, which locks the reserved IP."""
    created_at: str

    @property
    def public_ip(self) -> IPv4Address:
        return IPv4Address(self.id)

    @property
    def resource_id(self) -> int:
        """The id in the reserved IP's actions: the address as a number."""
        return int(self.public_ip)

    @property
    def urn(self) -> str:
        """The URN, with the type that the API specification has: ``floatingip``."""
        return f"do:floatingip:{self.id}"


class Vpc(Record):
    kind: ClassVar[str] = "vpc"
    id: str
    name: str
    description: str
    region: str
    ip_range: IPv4Network
    is_default: bool
    created_at: str

    @property
    def urn(self) -> str:
        return f"do:vpc:{self.id}"

    @property
    def gateway(self) -> IPv4Address:
        return self.ip_range[1]


class ForwardingRule(RecordPart):
    entry_protocol: Literal["http", "https", "http2", "tcp"]
    entry_port: int
    target_protocol: Literal["http", "https", "http2", "tcp"]
    target_port: int
    certificate_id: str = ""
    tls_passthrough: bool = False


class HealthCheck(RecordPart):
    protocol: Literal["http", "https", "tcp"] = "http"
    port: int = 80
    path: str = "/"
    check_interval_seconds: int = 10
    response_timeout_seconds: int = 5
    unhealthy_threshold: int = 5
    healthy_threshold: int = 3


class StickySessions(RecordPart):
    type: Literal["none", "cookies"] = "none"
    cookie_name: str = ""
    cookie_ttl_seconds: int = 0


class LoadBalancerFirewall(RecordPart):
    """Who may connect to a load balancer: ``ip:192.0.2.1`` or ``cidr:192.0.2.0/24``."""

    allow: list[str] = Field(default_factory=list)
    deny: list[str] = Field(default_factory=list)


class LoadBalancer(Record):
    kind: ClassVar[str] = "load_balancer"
    id: str
    name: str
    region: str
    vpc_id: str
    network: Literal["EXTERNAL", "INTERNAL"] = "EXTERNAL"
    public_ip: IPv4Address
    """The address that it listens on; an internal load balancer has its private address here."""
    private_ip: IPv4Address
    status: LoadBalancerStatus
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
    firewall: LoadBalancerFirewall = LoadBalancerFirewall()
    project_id: str
    droplet_ids: list[int]
    tag: str

    @property
    def urn(self) -> str:
        return f"do:loadbalancer:{self.id}"

    @property
    def certificate_ids(self) -> set[str]:
        """The ids of the certificates in its forwarding rules."""
        return {rule.certificate_id for rule in self.forwarding_rules if rule.certificate_id}


class Certificate(Record):
    """A certificate without its key, which ``certificate_files`` stores."""

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
    """A tag; the id is its name in lower case, because names are case-insensitive."""

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
    """URN of each resource, and when it was assigned."""


class Grant(RecordPart):
    """A permission of a Spaces key, on one bucket or on all."""

    bucket: str
    """Empty for full access."""
    permission: Literal["read", "readwrite", "fullaccess", ""]


class SpacesKey(Record):
    """A Spaces key; the id is the access key."""

    kind: ClassVar[str] = "spaces_key"
    id: str
    name: str
    account: str
    """The name of the account whose buckets it gives access to."""
    secret: str
    grants: list[Grant]
    created_at: str
