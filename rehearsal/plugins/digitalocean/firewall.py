"""Firewalls."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Kind,
    Properties,
    Property,
    State,
    list_of,
    name,
    object_of,
    output,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.values import resolved_or_none

PEER_FIELDS = {
    "Addresses": ("addresses", STRING),
    "DropletIds": ("droplet_ids", INTEGER),
    "KubernetesIds": ("kubernetes_ids", STRING),
    "LoadBalancerUids": ("load_balancer_uids", STRING),
    "Tags": ("tags", STRING),
}
"""Peers of a rule: suffix of the property, API field and type."""

PENDING_CHANGE = {
    "dropletId": Property(INTEGER),
    "removing": Property(BOOLEAN),
    "status": Property(STRING),
}


def _rule(side: str) -> Kind:
    peers = {f"{side}{end}": Property(set_of(kind)) for end, (_, kind) in PEER_FIELDS.items()}
    return object_of(
        {"protocol": Property(STRING, required=True), "portRange": Property(STRING), **peers}
    )


class Firewall(Resource[DigitalOcean]):
    """A firewall for droplets, selected by tag or id."""

    token = "digitalocean:index/firewall:Firewall"
    properties: ClassVar[Properties] = {
        "dropletIds": Property(set_of(INTEGER)),
        "inboundRules": Property(set_of(_rule("source"))),
        "name": name(),
        "outboundRules": Property(set_of(_rule("destination"))),
        "tags": Property(set_of(STRING)),
        "createdAt": output(STRING),
        "pendingChanges": output(list_of(object_of(PENDING_CHANGE))),
        "status": output(STRING),
    }

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Require a rule, and the ports of each rule."""
        rules = {
            side: resolved_or_none(new.get(f"{side}Rules")) or []
            for side in ("inbound", "outbound")
        }
        if not any(rules.values()):
            raise PluginError("At least one rule must be specified")
        for side, declared in rules.items():
            for rule in declared:
                if resolved_or_none(rule["protocol"]) != "icmp" and not resolved_or_none(
                    rule.get("portRange")
                ):
                    raise PluginError(
                        f"`port_range` of {side} rules is required if protocol is `tcp` or `udp`"
                    )
        return differences

    def create(self, change: Change) -> None:
        with error_context("Error creating firewall"):
            change.id = self.client.call("POST", "/v2/firewalls", _request_body(change.new))[
                "firewall"
            ]["id"]

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/firewalls/{resource_id}")
        if response is None:
            return None
        firewall = response["firewall"]
        return {
            "status": firewall["status"],
            "createdAt": firewall["created_at"],
            "pendingChanges": [
                {
                    "dropletId": item["droplet_id"],
                    "removing": item["removing"],
                    "status": item["status"],
                }
                for item in firewall.get("pending_changes") or []
            ],
            "name": firewall["name"],
            "dropletIds": firewall.get("droplet_ids") or [],
            "tags": firewall.get("tags") or [],
            "inboundRules": [
                _rule_properties(rule, "source", "sources")
                for rule in firewall.get("inbound_rules") or []
            ],
            "outboundRules": [
                _rule_properties(rule, "destination", "destinations")
                for rule in firewall.get("outbound_rules") or []
            ],
        }

    def update(self, change: Change) -> None:
        with error_context("Error updating firewall"):
            self.client.call("PUT", f"/v2/firewalls/{change.id}", _request_body(change.new))

    def delete(self, change: Change) -> None:
        with error_context("Error deleting firewall"):
            self.client.call("DELETE", f"/v2/firewalls/{change.id}")


def _request_body(new: State) -> dict[str, Any]:
    return {
        "name": new["name"],
        "inbound_rules": [
            _rule_body(rule, "source", "sources") for rule in new.get("inboundRules") or []
        ],
        "outbound_rules": [
            _rule_body(rule, "destination", "destinations")
            for rule in new.get("outboundRules") or []
        ],
        "droplet_ids": new.get("dropletIds") or [],
        "tags": new.get("tags") or [],
    }


def _rule_body(rule: Mapping[str, Any], side: str, field: str) -> dict[str, Any]:
    peers = {key: rule[side + end] for end, (key, _) in PEER_FIELDS.items() if rule.get(side + end)}
    ports = {"ports": rule["portRange"]} if rule.get("portRange") else {}
    return {"protocol": rule["protocol"], **ports, field: peers}


def _rule_properties(rule: Mapping[str, Any], side: str, field: str) -> dict[str, Any]:
    """Convert a rule of the API, which has ports "0" for all ports and for ICMP."""
    ports = rule.get("ports", "")
    if ports == "0":
        ports = "" if rule["protocol"] == "icmp" else "all"
    peers = {
        side + end: rule[field][key]
        for end, (key, _) in PEER_FIELDS.items()
        if rule[field].get(key)
    }
    return {"protocol": rule["protocol"], "portRange": ports, **peers}
