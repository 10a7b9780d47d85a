"""Request and response bodies of firewalls."""

import re
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from rehearsal.api.schemas import Body
from rehearsal.state import firewalls

Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.-]+$")]
LAST_PORT = 65535
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def _check_network(text: str) -> str:
    """Check an address or network. An IPv6 zone is refused: it names an interface of the host."""
    try:
        ip_network(text, strict=False)
        if "%" in text:
            raise ValueError
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a network in CIDR notation") from None
    return text


Address = Annotated[str, AfterValidator(_check_network)]


class Target(Body):
    """``firewall_rule_target`` of the API: the sources or destinations of a rule."""

    addresses: list[Address] = Field(default_factory=list)
    droplet_ids: list[int] = Field(default_factory=list)
    load_balancer_uids: list[str] = Field(default_factory=list)
    kubernetes_ids: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _refuse_kubernetes(self) -> "Target":
        if self.kubernetes_ids:
            raise ValueError("the rehearsal cloud has no Kubernetes clusters")
        return self


class _Rule(Body):
    protocol: Literal["tcp", "udp", "icmp"]
    ports: str = ""

    @model_validator(mode="after")
    def _normalize_ports(self) -> "_Rule":
        """Return all ports, and any ports of ICMP, as ``0``, like the real API."""
        if self.protocol == "icmp" or self.ports in ("all", "0", "1-65535"):
            self.ports = "0"
        elif not self.ports:
            raise ValueError("ports is required")
        else:
            numbers = self.ports.split("-")
            if len(numbers) > 2 or not all(
                _PORT.fullmatch(number) and int(number) <= LAST_PORT for number in numbers
            ):
                raise ValueError(
                    f"ports {self.ports!r} must be a port, a range like 8000-9000, or all"
                )
            if int(numbers[0]) > int(numbers[-1]):
                raise ValueError(f"ports {self.ports!r} begin after their end")
        return self


class InboundRule(_Rule):
    sources: Target

    def to_record(self) -> firewalls.FirewallRule:
        return _record(self, self.sources)


class OutboundRule(_Rule):
    destinations: Target

    def to_record(self) -> firewalls.FirewallRule:
        return _record(self, self.destinations)


class Rules(Body):
    inbound_rules: list[InboundRule] = Field(default_factory=list)
    outbound_rules: list[OutboundRule] = Field(default_factory=list)

    @model_validator(mode="after")
    def _require_rules(self) -> "Rules":
        if not self.inbound_rules and not self.outbound_rules:
            raise ValueError("at least one of inbound_rules and outbound_rules is needed")
        return self


class FirewallWrite(Rules):
    """The body of a request that creates or replaces a firewall."""

    name: Name
    droplet_ids: list[int] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)


class DropletIds(Body):
    droplet_ids: list[int]


class Tags(Body):
    tags: list[str]


class Firewall(BaseModel):
    id: str
    name: str
    status: str = "succeeded"
    created_at: str
    pending_changes: list[dict[str, Any]] = []
    inbound_rules: list[dict[str, Any]]
    outbound_rules: list[dict[str, Any]]
    droplet_ids: list[int]
    tags: list[str]

    @classmethod
    def from_record(cls, firewall: firewalls.Firewall) -> "Firewall":
        return cls(
            id=firewall.id,
            name=firewall.name,
            created_at=firewall.created_at,
            inbound_rules=[_to_json(rule, "sources") for rule in firewall.inbound],
            outbound_rules=[_to_json(rule, "destinations") for rule in firewall.outbound],
            droplet_ids=firewall.droplet_ids,
            tags=firewall.tags,
        )


def _record(rule: _Rule, target: Target) -> firewalls.FirewallRule:
    peers = firewalls.Peers(
        addresses=target.addresses,
        droplet_ids=target.droplet_ids,
        load_balancer_uids=target.load_balancer_uids,
        tags=target.tags,
    )
    return firewalls.FirewallRule(protocol=rule.protocol, ports=rule.ports, peers=peers)


def _to_json(rule: firewalls.FirewallRule, side: str) -> dict[str, Any]:
    """Return a rule of the API. Empty peers are omitted; the key ``side`` is not."""
    return {
        "protocol": rule.protocol,
        "ports": rule.ports,
        side: rule.peers.model_dump(exclude_defaults=True),
    }
