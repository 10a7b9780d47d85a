"""Firewalls."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Kind, Properties, Property, State, list_of, name, object_of, output, set_of

PARTIES = {
    "Addresses": ("addresses", STRING),
    "DropletIds": ("droplet_ids", INTEGER),
    "KubernetesIds": ("kubernetes_ids", STRING),
    "LoadBalancerUids": ("load_balancer_uids", STRING),
    "Tags": ("tags", STRING),
}
"""Whom a rule names: the end of the property, the API's field, its type."""

PENDING = {
    "dropletId": Property(INTEGER),
    "removing": Property(BOOLEAN),
    "status": Property(STRING),
}


def _rule(side: str) -> Kind:
    parties = {f"{side}{end}": Property(set_of(kind)) for end, (_, kind) in PARTIES.items()}
    return object_of(
        {"protocol": Property(STRING, required=True), "portRange": Property(STRING), **parties}
    )


class Firewall(Resource[DigitalOcean]):
    """Which packets may reach and leave the droplets of some tags."""

    token = "digitalocean:index/firewall:Firewall"
    properties: ClassVar[Properties] = {
        "dropletIds": Property(set_of(INTEGER)),
        "inboundRules": Property(set_of(_rule("source"))),
        "name": name(),
        "outboundRules": Property(set_of(_rule("destination"))),
        "tags": Property(set_of(STRING)),
        "createdAt": output(STRING),
        "pendingChanges": output(list_of(object_of(PENDING))),
        "status": output(STRING),
    }

    def create(self, change: Change) -> None:
        with telling("Error creating firewall"):
            change.id = self.client.call("POST", "/v2/firewalls", _request(change.new))["firewall"][
                "id"
            ]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/firewalls/{resource_id}")
        if found is None:
            return None
        firewall = found["firewall"]
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
                _read_rule(rule, "source", "sources")
                for rule in firewall.get("inbound_rules") or []
            ],
            "outboundRules": [
                _read_rule(rule, "destination", "destinations")
                for rule in firewall.get("outbound_rules") or []
            ],
        }

    def update(self, change: Change) -> None:
        with telling("Error updating firewall"):
            self.client.call("PUT", f"/v2/firewalls/{change.id}", _request(change.new))

    def delete(self, change: Change) -> None:
        with telling("Error deleting firewall"):
            self.client.call("DELETE", f"/v2/firewalls/{change.id}")


def _request(new: State) -> dict[str, Any]:
    return {
        "name": new["name"],
        "inbound_rules": [
            _write_rule(rule, "source", "sources") for rule in new.get("inboundRules") or []
        ],
        "outbound_rules": [
            _write_rule(rule, "destination", "destinations")
            for rule in new.get("outboundRules") or []
        ],
        "droplet_ids": new.get("dropletIds") or [],
        "tags": new.get("tags") or [],
    }


def _write_rule(rule: Mapping[str, Any], side: str, field: str) -> dict[str, Any]:
    parties = {key: rule[side + end] for end, (key, _) in PARTIES.items() if rule.get(side + end)}
    ports = {"ports": rule["portRange"]} if rule.get("portRange") else {}
    return {"protocol": rule["protocol"], **ports, field: parties}


def _read_rule(rule: Mapping[str, Any], side: str, field: str) -> dict[str, Any]:
    """The API writes "0" for all ports, and for ICMP, which has none."""
    ports = rule.get("ports", "")
    if ports == "0":
        ports = "" if rule["protocol"] == "icmp" else "all"
    parties = {
        side + end: rule[field][key] for end, (key, _) in PARTIES.items() if rule[field].get(key)
    }
    return {"protocol": rule["protocol"], "portRange": ports, **parties}
