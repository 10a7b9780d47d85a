"""Request and response bodies of load balancers."""

from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from rehearsal.api.schemas import Body
from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.state import records

SIZE_NODES = {"lb-small": 1, "lb-medium": 3, "lb-large": 6}

Port = Annotated[int, Field(ge=1, le=65535)]
Protocol = Literal["http", "https", "http2", "http3", "tcp", "udp"]


class ForwardingRule(Body):
    entry_protocol: Protocol
    entry_port: Port
    target_protocol: Literal["http", "https", "http2", "tcp", "udp"]
    target_port: Port
    certificate_id: str = ""
    tls_passthrough: bool = False


class HealthCheck(Body):
    protocol: Literal["http", "https", "tcp"] = "http"
    port: Port = 80
    path: Annotated[str, StringConstraints(pattern="^/", max_length=1024)] = "/"
    check_interval_seconds: Annotated[int, Field(ge=3, le=300)] = 10
    response_timeout_seconds: Annotated[int, Field(ge=3, le=300)] = 5
    unhealthy_threshold: Annotated[int, Field(ge=2, le=10)] = 5
    healthy_threshold: Annotated[int, Field(ge=2, le=10)] = 3

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_path(cls, data: Any) -> Any:
        """Accept the empty path that clients send with a TCP check."""
        return (
            {key: value for key, value in data.items() if (key, value) != ("path", "")}
            if isinstance(data, dict)
            else data
        )


class StickySessions(Body):
    type: Literal["none", "cookies"] = "none"
    cookie_name: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9!%&*+._~-]*$", max_length=255)
    ] = ""
    """A token of RFC 6265, without the characters that HAProxy's configuration interprets."""
    cookie_ttl_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @model_validator(mode="after")
    def _require_cookie(self) -> "StickySessions":
        if self.type == "cookies" and not (self.cookie_name and self.cookie_ttl_seconds > 0):
            raise ValueError("cookie_name and cookie_ttl_seconds are required with type cookies")
        return self


def _check_source(rule: str) -> str:
    """Check a firewall rule. An IPv6 zone is refused: it names an interface of the host."""
    kind, _, source = rule.partition(":")
    try:
        if "%" in source:
            raise ValueError(source)
        if kind == "ip":
            ip_address(source)
        elif kind == "cidr":
            ip_network(source, strict=False)
        else:
            raise ValueError(kind)
    except ValueError:
        raise ValueError("a rule is written ip:192.0.2.1 or cidr:192.0.2.0/24") from None
    return rule


Source = Annotated[str, AfterValidator(_check_source)]


class LoadBalancerFirewall(Body):
    allow: list[Source] = Field(default_factory=list)
    deny: list[Source] = Field(default_factory=list)


class LoadBalancerWrite(Body):
    """The body of a request that creates or replaces a load balancer."""

    name: Annotated[
        str,
        StringConstraints(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9.\-]*[a-zA-Z0-9.])?$", max_length=255),
    ]
    region: str = ""
    algorithm: Literal["round_robin", "least_connections"] = "round_robin"
    type: Literal["REGIONAL", "REGIONAL_NETWORK", "GLOBAL", ""] = "REGIONAL"
    network: Literal["EXTERNAL", "INTERNAL", ""] = "EXTERNAL"
    network_stack: Literal["IPV4", "DUALSTACK", ""] = "IPV4"
    size: Literal["lb-small", "lb-medium", "lb-large", ""] = ""
    size_unit: Annotated[int | None, Field(ge=1, le=100)] = None
    forwarding_rules: list[ForwardingRule] = Field(default_factory=list)
    health_check: HealthCheck = HealthCheck()
    sticky_sessions: StickySessions = StickySessions()
    redirect_http_to_https: bool = False
    enable_proxy_protocol: bool = False
    enable_backend_keepalive: bool = False
    disable_lets_encrypt_dns_records: bool = False
    http_idle_timeout_seconds: Annotated[int, Field(ge=30, le=600)] = 60
    tls_cipher_policy: Literal["DEFAULT", "STRONG", ""] = "DEFAULT"
    vpc_uuid: str = ""
    project_id: str = ""
    droplet_ids: list[int] = Field(default_factory=list)
    tag: str = ""
    firewall: LoadBalancerFirewall = LoadBalancerFirewall()
    domains: list[Any] = Field(default_factory=list)
    glb_settings: dict[str, Any] = Field(default_factory=dict)
    target_load_balancer_ids: list[Any] = Field(default_factory=list)


class DropletIds(Body):
    droplet_ids: list[int]


class ForwardingRules(Body):
    forwarding_rules: Annotated[list[ForwardingRule], Field(min_length=1)]


class LoadBalancer(BaseModel):
    id: str
    name: str
    ip: str
    ipv6: str = ""
    status: str
    created_at: str
    region: Region
    vpc_uuid: str
    project_id: str
    type: str = "REGIONAL"
    network: str
    network_stack: str = "IPV4"
    size: str | None
    """Omitted if no size has this number of nodes, so that clients can send the response back."""
    size_unit: int
    algorithm: str
    forwarding_rules: list[records.ForwardingRule]
    health_check: records.HealthCheck
    sticky_sessions: dict[str, Any]
    redirect_http_to_https: bool
    enable_proxy_protocol: bool
    enable_backend_keepalive: bool
    disable_lets_encrypt_dns_records: bool
    http_idle_timeout_seconds: int
    tls_cipher_policy: str
    droplet_ids: list[int]
    tag: str
    firewall: records.LoadBalancerFirewall
    domains: list[Any] = Field(default_factory=list)
    target_load_balancer_ids: list[str] = Field(default_factory=list)

    @model_serializer(mode="wrap")
    def _drop_absent_size(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = serialize(self)
        return (
            body if body["size"] else {key: value for key, value in body.items() if key != "size"}
        )

    @classmethod
    def from_record(cls, balancer: records.LoadBalancer, targets: list[int]) -> "LoadBalancer":
        """Build the response; ``targets`` are the ids of the droplets that it forwards to."""
        return cls(
            id=balancer.id,
            name=balancer.name,
            ip="" if balancer.status == "new" else str(balancer.public_ip),
            status=balancer.status,
            created_at=balancer.created_at,
            region=REGIONS[balancer.region],
            vpc_uuid=balancer.vpc_id,
            project_id=balancer.project_id,
            network=balancer.network,
            size=next(
                (name for name, nodes in SIZE_NODES.items() if nodes == balancer.size_unit), None
            ),
            size_unit=balancer.size_unit,
            algorithm=balancer.algorithm,
            forwarding_rules=balancer.forwarding_rules,
            health_check=balancer.health_check,
            sticky_sessions=balancer.sticky_sessions.model_dump(
                exclude_defaults=balancer.sticky_sessions.type == "none"
            )
            | {"type": balancer.sticky_sessions.type},
            redirect_http_to_https=balancer.redirect_http_to_https,
            enable_proxy_protocol=balancer.enable_proxy_protocol,
            enable_backend_keepalive=balancer.enable_backend_keepalive,
            disable_lets_encrypt_dns_records=balancer.disable_lets_encrypt_dns_records,
            http_idle_timeout_seconds=balancer.http_idle_timeout_seconds,
            tls_cipher_policy=balancer.tls_cipher_policy,
            droplet_ids=targets,
            tag=balancer.tag,
            firewall=balancer.firewall,
        )
