"""Load balancers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.certificate import find_certificate
from rehearsal.plugins.digitalocean.load_balancer_plan import check_plan
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.naming import snake_case_fields
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    map_of,
    name,
    object_of,
    output,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource

ACTIVE_TIMEOUT_S = 600.0
"""Time until a new load balancer is active. The timeout cannot extend it."""

RULE: Properties = {
    "certificateId": Property(STRING, computed=True),
    "certificateName": Property(STRING, computed=True),
    "entryPort": Property(INTEGER, required=True),
    "entryProtocol": Property(STRING, required=True),
    "targetPort": Property(INTEGER, required=True),
    "targetProtocol": Property(STRING, required=True),
    "tlsPassthrough": Property(BOOLEAN, default=False),
}
RULE_FIELDS = snake_case_fields(key for key in RULE if not key.startswith("certificate"))

HEALTHCHECK: Properties = {
    "checkIntervalSeconds": Property(INTEGER, default=10),
    "healthyThreshold": Property(INTEGER, default=5),
    "path": Property(STRING),
    "port": Property(INTEGER, required=True),
    "protocol": Property(STRING, required=True),
    "responseTimeoutSeconds": Property(INTEGER, default=5),
    "unhealthyThreshold": Property(INTEGER, default=3),
}
HEALTHCHECK_FIELDS = snake_case_fields(HEALTHCHECK)

STICKY_SESSIONS: Properties = {
    "cookieName": Property(STRING),
    "cookieTtlSeconds": Property(INTEGER),
    "type": Property(STRING, default="none"),
}
STICKY_SESSIONS_FIELDS = snake_case_fields(STICKY_SESSIONS)

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
GLOBAL_SETTINGS: Properties = {
    "cdn": Property(object_of({"isEnabled": Property(BOOLEAN, default=False)})),
    "failoverThreshold": Property(INTEGER),
    "regionPriorities": Property(map_of(INTEGER)),
    "targetPort": Property(INTEGER, required=True),
    "targetProtocol": Property(STRING, required=True),
}

REQUIRED_FIELDS = snake_case_fields(
    (
        "name",
        "algorithm",
        "redirectHttpToHttps",
        "enableProxyProtocol",
        "enableBackendKeepalive",
        "disableLetsEncryptDnsRecords",
    )
)
"""Fields that are always sent, even if they have no value."""

OPTIONAL_FIELDS = snake_case_fields(
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
    """A load balancer."""

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
        "glbSettings": Property(object_of(GLOBAL_SETTINGS), computed=True, supported=False),
        "healthcheck": Property(object_of(HEALTHCHECK), computed=True),
        "httpIdleTimeoutSeconds": Property(INTEGER, computed=True),
        "name": name(),
        "network": Property(STRING, replaces=True),
        "networkStack": Property(STRING, replaces=True),
        "projectId": Property(STRING, computed=True),
        "redirectHttpToHttps": Property(BOOLEAN, default=False),
        "region": Property(STRING, replaces=True, to_state=str.lower),
        "size": Property(STRING),
        "sizeUnit": Property(INTEGER, computed=True),
        "stickySessions": Property(object_of(STICKY_SESSIONS), computed=True),
        "targetLoadBalancerIds": Property(set_of(STRING), computed=True, supported=False),
        "tlsCipherPolicy": Property(STRING),
        "type": Property(
            STRING,
            computed=True,
            replaces=True,
            is_equivalent=lambda old, new: old.upper() == new.upper(),
        ),
        "vpcUuid": Property(STRING, computed=True, replaces=True),
        "ip": output(STRING),
        "ipv6": output(STRING),
        "loadBalancerUrn": output(STRING),
        "status": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        failures = []
        if inputs.get("dropletTag") and inputs.get("dropletIds"):
            failures.append(Failure("dropletTag", '"droplet_tag": conflicts with droplet_ids'))
        if inputs.get("forwardingRules") == []:
            failures.append(
                Failure("forwardingRules", "Attribute requires 1 item minimum, but config has 0")
            )
        return failures

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        check_plan(new)
        return differences

    def create(self, change: Change) -> None:
        with error_context("Error creating Load Balancer"):
            change.id = self.client.call(
                "POST", "/v2/load_balancers", self._request_body(change.new)
            )["load_balancer"]["id"]

        path = f"/v2/load_balancers/{change.id}"
        change.deadline.capped(ACTIVE_TIMEOUT_S).wait_for_state(
            lambda: self.client.call("GET", path)["load_balancer"]["status"],
            ("new",),
            "active",
            f"Load Balancer ({change.new['name']})",
        )

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/load_balancers/{resource_id}")
        if response is None:
            return None
        balancer = response["load_balancer"]
        return _properties(balancer) | {"forwardingRules": self._rules(balancer)}

    def update(self, change: Change) -> None:
        with error_context("Error updating Load Balancer"):
            self.client.call(
                "PUT",
                f"/v2/load_balancers/{change.id}",
                self._request_body(change.old | change.new),
            )

    def delete(self, change: Change) -> None:
        with error_context("Error deleting Load Balancer"):
            self.client.delete(f"/v2/load_balancers/{change.id}")

    def _rules(self, balancer: Mapping[str, Any]) -> list[State]:
        """Return the forwarding rules. Both certificate properties contain the name."""
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

    def _request_body(self, new: State) -> dict[str, Any]:
        return _balancer_body(new) | {
            "forwarding_rules": [self._rule_body(rule) for rule in new.get("forwardingRules") or []]
        }

    def _rule_body(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        body = {field: rule.get(key, False) for key, field in RULE_FIELDS.items()}
        by_name, by_id = rule.get("certificateName"), rule.get("certificateId")
        if not (by_name or by_id):
            return body
        certificate = find_certificate(self.client, by_name or by_id or "")
        if certificate is None and by_name:
            raise PluginError(f"Certificate {by_name} not found")
        if certificate is None:
            # The id of a Certificate resource is its name, but an id of the API works too.
            certificate = self.client.call("GET", f"/v2/certificates/{by_id}")["certificate"]
        return body | {"certificate_id": certificate["id"]}


def _balancer_body(new: State) -> dict[str, Any]:
    body = {field: new[key] for key, field in REQUIRED_FIELDS.items()}
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
    for key, field, members in (
        ("healthcheck", "health_check", HEALTHCHECK_FIELDS),
        ("stickySessions", "sticky_sessions", STICKY_SESSIONS_FIELDS),
        ("firewall", "firewall", FIREWALL_FIELDS),
    ):
        if new.get(key):
            body[field] = {
                api_field: new[key][member]
                for member, api_field in members.items()
                if new[key].get(member) is not None
            }
    return body


def _properties(balancer: Mapping[str, Any]) -> State:
    properties = {key: balancer.get(field) for key, field in REQUIRED_FIELDS.items()}
    properties |= {
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
        "healthcheck": _block(balancer.get("health_check"), HEALTHCHECK_FIELDS),
        "stickySessions": _block(balancer.get("sticky_sessions"), STICKY_SESSIONS_FIELDS),
        "firewall": _block(balancer.get("firewall"), FIREWALL_FIELDS),
    }
    if balancer.get("size_unit"):
        return properties | {"sizeUnit": balancer["size_unit"]}
    return properties | {"size": balancer.get("size", "")}


def _block(block: Mapping[str, Any] | None, fields: Mapping[str, str]) -> State | None:
    return {key: block.get(field) for key, field in fields.items()} if block else None
