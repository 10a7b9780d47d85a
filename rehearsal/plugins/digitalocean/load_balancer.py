"""Load balancers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.certificate import named
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.naming import fields
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State, list_of, map_of, name, object_of, output, set_of
from rehearsal.plugins.values import UNKNOWN

ACTIVE_SECONDS = 600.0
"""How long a new balancer may take, whatever the timeout."""

RULE: Properties = {
    "certificateId": Property(STRING, computed=True),
    "certificateName": Property(STRING, computed=True),
    "entryPort": Property(INTEGER, required=True),
    "entryProtocol": Property(STRING, required=True),
    "targetPort": Property(INTEGER, required=True),
    "targetProtocol": Property(STRING, required=True),
    "tlsPassthrough": Property(BOOLEAN, default=False),
}
RULE_FIELDS = fields(key for key in RULE if not key.startswith("certificate"))

HEALTHCHECK: Properties = {
    "checkIntervalSeconds": Property(INTEGER, default=10),
    "healthyThreshold": Property(INTEGER, default=5),
    "path": Property(STRING),
    "port": Property(INTEGER, required=True),
    "protocol": Property(STRING, required=True),
    "responseTimeoutSeconds": Property(INTEGER, default=5),
    "unhealthyThreshold": Property(INTEGER, default=3),
}
HEALTHCHECK_FIELDS = fields(HEALTHCHECK)

STICKY: Properties = {
    "cookieName": Property(STRING),
    "cookieTtlSeconds": Property(INTEGER),
    "type": Property(STRING, default="none"),
}
STICKY_FIELDS = fields(STICKY)

FIREWALL: Properties = {"allows": Property(list_of(STRING)), "denies": Property(list_of(STRING))}
FIREWALL_FIELDS = {"allows": "allow", "denies": "deny"}

DOMAIN: Properties = {
    "certificateId": output(STRING),
    "certificateName": Property(STRING, computed=True),
    "isManaged": Property(BOOLEAN, default=False),
    "name": Property(STRING, required=True),
    "sslValidationErrorReasons": output(list_of(STRING)),
    "verificationErrorReasons": output(list_of(STRING)),
}
GLOBAL: Properties = {
    "cdn": Property(object_of({"isEnabled": Property(BOOLEAN, default=False)})),
    "failoverThreshold": Property(INTEGER),
    "regionPriorities": Property(map_of(INTEGER)),
    "targetPort": Property(INTEGER, required=True),
    "targetProtocol": Property(STRING, required=True),
}

PLAIN_FIELDS = fields(
    (
        "name",
        "algorithm",
        "redirectHttpToHttps",
        "enableProxyProtocol",
        "enableBackendKeepalive",
        "disableLetsEncryptDnsRecords",
    )
)
"""Sent always, zero or not."""

OPTIONAL_FIELDS = fields(
    (
        "projectId",
        "httpIdleTimeoutSeconds",
        "vpcUuid",
        "type",
        "network",
        "networkStack",
        "tlsCipherPolicy",
    )
)


class LoadBalancer(Resource[DigitalOcean]):
    """One public address in front of many droplets."""

    token = "digitalocean:index/loadBalancer:LoadBalancer"
    properties: ClassVar[Properties] = {
        "algorithm": Property(STRING, default="round_robin"),
        "disableLetsEncryptDnsRecords": Property(BOOLEAN, default=False),
        "domains": Property(set_of(object_of(DOMAIN)), computed=True, supported=False),
        "dropletIds": Property(set_of(INTEGER), computed=True),
        "dropletTag": Property(STRING),
        "enableBackendKeepalive": Property(BOOLEAN, default=False),
        "enableProxyProtocol": Property(BOOLEAN, default=False),
        "firewall": Property(object_of(FIREWALL), computed=True),
        "forwardingRules": Property(set_of(object_of(RULE))),
        "glbSettings": Property(object_of(GLOBAL), computed=True, supported=False),
        "healthcheck": Property(object_of(HEALTHCHECK), computed=True),
        "httpIdleTimeoutSeconds": Property(INTEGER, computed=True),
        "name": name(),
        "network": Property(STRING, replaces=True),
        "networkStack": Property(STRING, replaces=True),
        "projectId": Property(STRING, computed=True),
        "redirectHttpToHttps": Property(BOOLEAN, default=False),
        "region": Property(STRING, replaces=True, stored=str.lower),
        "size": Property(STRING),
        "sizeUnit": Property(INTEGER, computed=True),
        "stickySessions": Property(object_of(STICKY), computed=True),
        "targetLoadBalancerIds": Property(set_of(STRING), computed=True, supported=False),
        "tlsCipherPolicy": Property(STRING),
        "type": Property(
            STRING, computed=True, replaces=True, same=lambda old, new: old.upper() == new.upper()
        ),
        "vpcUuid": Property(STRING, computed=True, replaces=True),
        "ip": output(STRING),
        "ipv6": output(STRING),
        "loadBalancerUrn": output(STRING),
        "status": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        failures = []
        probe = inputs.get("healthcheck")
        if isinstance(probe, dict) and UNKNOWN not in (probe.get("protocol"), probe.get("path")):
            over_http = probe.get("protocol") in ("http", "https")
            if over_http and not probe.get("path"):
                failures.append(
                    Failure(
                        "healthcheck",
                        f"health check `path` is required for when protocol is `{probe['protocol']}`",
                    )
                )
            if not over_http and probe.get("path"):
                failures.append(
                    Failure(
                        "healthcheck",
                        "health check `path` is not allowed for when protocol is `tcp`",
                    )
                )
        if inputs.get("dropletTag") and inputs.get("dropletIds"):
            failures.append(Failure("dropletTag", '"droplet_tag": conflicts with droplet_ids'))
        if not inputs.get("region"):
            failures.append(Failure("region", "missing 'region' value"))
        return failures

    def create(self, change: Change) -> None:
        with telling("Error creating Load Balancer"):
            change.id = self.client.call("POST", "/v2/load_balancers", self._request(change.new))[
                "load_balancer"
            ]["id"]

        def look() -> tuple[str, None]:
            return self.client.call("GET", f"/v2/load_balancers/{change.id}")["load_balancer"][
                "status"
            ], None

        change.clock.limited(ACTIVE_SECONDS).until(
            look, ("new",), "active", f"Load Balancer ({change.new['name']})"
        )

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/load_balancers/{resource_id}")
        if found is None:
            return None
        return _state(found["load_balancer"]) | {
            "forwardingRules": self._rules(found["load_balancer"])
        }

    def update(self, change: Change) -> None:
        with telling("Error updating Load Balancer"):
            self.client.call(
                "PUT", f"/v2/load_balancers/{change.id}", self._request(change.old | change.new)
            )

    def delete(self, change: Change) -> None:
        try:
            self.client.call("DELETE", f"/v2/load_balancers/{change.id}")
        except RestError as error:
            if error.status != 404:
                raise PluginError(f"Error deleting Load Balancer: {error}") from error

    def _rules(self, balancer: Mapping[str, Any]) -> list[State]:
        """A certificate is its name in the state, in both properties."""
        rules = []
        for rule in balancer["forwarding_rules"]:
            id = rule.get("certificate_id") or ""
            certificate = (
                self.client.call("GET", f"/v2/certificates/{id}")["certificate"]["name"]
                if id
                else ""
            )
            plain = {key: rule.get(field) for key, field in RULE_FIELDS.items()}
            rules.append(plain | {"certificateId": certificate, "certificateName": certificate})
        return rules

    def _request(self, new: State) -> dict[str, Any]:
        return _body(new) | {
            "forwarding_rules": [self._rule(rule) for rule in new.get("forwardingRules") or []]
        }

    def _rule(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        body = {field: rule.get(key, False) for key, field in RULE_FIELDS.items()}
        by_name, by_id = rule.get("certificateName"), rule.get("certificateId")
        if not (by_name or by_id):
            return body
        found = named(self.client, by_name or by_id or "")
        if found is None and by_name:
            raise PluginError(f"Certificate {by_name} not found")
        # A certificate's id in a program is its name; an id of the API is understood, too.
        found = found or self.client.call("GET", f"/v2/certificates/{by_id}")["certificate"]
        return body | {"certificate_id": found["id"]}


def _body(new: State) -> dict[str, Any]:
    body = {field: new[key] for key, field in PLAIN_FIELDS.items()}
    body |= {field: new[key] for key, field in OPTIONAL_FIELDS.items() if new.get(key)}
    body["region"] = new.get("region", "")
    if new.get("sizeUnit"):
        body["size_unit"] = new["sizeUnit"]
    elif new.get("size"):
        body["size"] = new["size"]
    if new.get("dropletTag"):
        body["tag"] = new["dropletTag"]
    elif new.get("dropletIds"):
        body["droplet_ids"] = new["dropletIds"]
    for key, field, inner in (
        ("healthcheck", "health_check", HEALTHCHECK_FIELDS),
        ("stickySessions", "sticky_sessions", STICKY_FIELDS),
        ("firewall", "firewall", FIREWALL_FIELDS),
    ):
        if new.get(key):
            body[field] = {
                theirs: new[key][ours]
                for ours, theirs in inner.items()
                if new[key].get(ours) is not None
            }
    return body


def _state(balancer: Mapping[str, Any]) -> State:
    state = {key: balancer.get(field) for key, field in PLAIN_FIELDS.items()}
    state |= {
        "loadBalancerUrn": f"do:loadbalancer:{balancer['id']}",
        "ip": balancer.get("ip", ""),
        "ipv6": balancer.get("ipv6", ""),
        "status": balancer["status"],
        "dropletTag": balancer.get("tag", ""),
        "dropletIds": balancer.get("droplet_ids") or [],
        "vpcUuid": balancer.get("vpc_uuid", ""),
        "projectId": balancer.get("project_id", ""),
        "type": balancer.get("type", ""),
        "httpIdleTimeoutSeconds": balancer.get("http_idle_timeout_seconds"),
        "region": (balancer.get("region") or {}).get("slug", ""),
        "domains": [],
        "glbSettings": None,
        "targetLoadBalancerIds": [],
        "healthcheck": _fields(balancer.get("health_check"), HEALTHCHECK_FIELDS),
        "stickySessions": _fields(balancer.get("sticky_sessions"), STICKY_FIELDS),
        "firewall": _fields(balancer.get("firewall"), FIREWALL_FIELDS),
    }
    if balancer.get("size_unit"):
        return state | {"sizeUnit": balancer["size_unit"]}
    return state | {"size": balancer.get("size", "")}


def _fields(found: Mapping[str, Any] | None, fields: Mapping[str, str]) -> State | None:
    return {key: found.get(field) for key, field in fields.items()} if found else None
