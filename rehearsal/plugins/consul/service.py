"""Catalog services and their checks."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import PluginError, error_context
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
    set_of,
)
from rehearsal.plugins.resource import Change, Resource

SOURCE_META_KEY = "external-source"
SOURCE_META = {SOURCE_META_KEY: "terraform"}
"""Metadata that the official plugin adds to its services."""

HEADER: Properties = {
    "name": Property(STRING, required=True),
    "values": Property(list_of(STRING), required=True),
}
CHECK: Properties = {
    "checkId": Property(STRING, required=True),
    "deregisterCriticalServiceAfter": Property(STRING, default="30s"),
    "headers": Property(set_of(object_of(HEADER))),
    "http": Property(STRING),
    "interval": Property(STRING, required=True),
    "method": Property(STRING, default="GET"),
    "name": Property(STRING, required=True),
    "notes": Property(STRING),
    "status": Property(STRING, default="critical"),
    "tcp": Property(STRING),
    "timeout": Property(STRING, required=True),
    "tlsSkipVerify": Property(BOOLEAN, default=False),
}


ZERO_DURATION = "0s"
"""Value in the state of a duration that Consul omits."""


class Service(Resource[Consul]):
    """A service on an external node."""

    token = "consul:index/service:Service"
    properties: ClassVar[Properties] = {
        "address": Property(STRING, computed=True),
        "checks": Property(list_of(object_of(CHECK))),
        "datacenter": Property(STRING, computed=True, replaces=True),
        "enableTagOverride": Property(BOOLEAN, default=False),
        "external": Property(BOOLEAN, supported=False),
        "meta": Property(map_of(STRING)),
        "name": name(replaces=True),
        "namespace": Property(STRING, replaces=True, supported=False),
        "node": Property(STRING, required=True, replaces=True),
        "partition": Property(STRING, replaces=True, supported=False),
        "port": Property(INTEGER),
        "serviceId": Property(STRING, computed=True, replaces=True),
        "tags": Property(list_of(STRING)),
        "weights": Property(map_of(INTEGER), supported=False),
    }

    def create(self, change: Change) -> None:
        new = change.new
        datacenter = self.client.datacenter(new)
        node = self.client.find(f"/v1/catalog/node/{new['node']}", datacenter)
        if node is None:
            raise PluginError(f"Node does not exist: '{new['node']}'")
        self._register(new, datacenter, new.get("address") or node["Node"]["Address"])
        service_id = new.get("serviceId") or new["name"]
        if self._find(new["name"], service_id, new["node"], datacenter) is None:
            raise PluginError(f"Failed to retrieve service '{service_id}' after registration")
        change.id = service_id

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError("a Consul service cannot be imported")
        datacenter = self.client.datacenter(state)
        instance = self._find(state["name"], resource_id, state["node"], datacenter)
        if instance is None:
            return None
        service, checks = instance
        return {
            "address": service["ServiceAddress"],
            "datacenter": datacenter,
            "enableTagOverride": service["ServiceEnableTagOverride"],
            "meta": {
                key: value
                for key, value in (service["ServiceMeta"] or {}).items()
                if key != SOURCE_META_KEY
            },
            "name": service["ServiceName"],
            "namespace": "",
            "node": service["Node"],
            "partition": "",
            "port": service["ServicePort"],
            "serviceId": service["ServiceID"],
            "tags": service["ServiceTags"] or [],
            "weights": {},
            "checks": [_check_properties(check) for check in checks],
        }

    def update(self, change: Change) -> None:
        """Update the service; keep address and service id if the program sets none."""
        new = {**change.new, "serviceId": change.new.get("serviceId") or change.old["serviceId"]}
        self._register(new, change.old["datacenter"], new.get("address") or change.old["address"])

    def delete(self, change: Change) -> None:
        old = change.old
        body = {
            "Node": old["node"],
            "ServiceID": old.get("serviceId") or change.id,
            "Datacenter": old["datacenter"],
            "CheckID": "",
        }
        context = f"Failed to deregister Consul service with id '{body['ServiceID']}'"
        with error_context(context):
            self.client.call("PUT", "/v1/catalog/deregister", old["datacenter"], body)

    def _register(self, new: State, datacenter: str, address: str) -> None:
        service = {
            "Address": address,
            "EnableTagOverride": new["enableTagOverride"],
            "ID": new.get("serviceId", ""),
            "Meta": {**SOURCE_META, **(new.get("meta") or {})},
            "Port": new.get("port", 0),
            "Service": new["name"],
            "Tags": new.get("tags") or [],
            "Weights": {"Passing": 0, "Warning": 0},
        }
        body = {
            "Address": address,
            "Checks": [_check_body(check, new) for check in new.get("checks") or []],
            "Datacenter": datacenter,
            "Node": new["node"],
            "Service": service,
            "SkipNodeUpdate": True,
        }
        with error_context(f"Failed to register service (dc: '{datacenter}')"):
            self.client.call("PUT", "/v1/catalog/register", datacenter, body)

    def _find(
        self, service: str, service_id: str, node: str, datacenter: str
    ) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]] | None:
        instances = self.client.call("GET", f"/v1/catalog/service/{service}", datacenter).json()
        instance = next(
            (
                item
                for item in instances
                if item["ServiceID"] == service_id and item["Node"] == node
            ),
            None,
        )
        if instance is None:
            return None
        checks = self.client.call("GET", f"/v1/health/checks/{service}", datacenter).json()
        return instance, [
            check for check in checks if check["Node"] == node and check["ServiceID"] == service_id
        ]


def _check_body(check: Mapping[str, Any], new: State) -> dict[str, Any]:
    definition = {
        "DeregisterCriticalServiceAfter": check["deregisterCriticalServiceAfter"],
        "HTTP": check.get("http", ""),
        "Header": {header["name"]: header["values"] for header in check.get("headers") or []},
        "Interval": check["interval"],
        "Method": check.get("method", ""),
        "TCP": check.get("tcp", ""),
        "TLSSkipVerify": check.get("tlsSkipVerify", False),
        "Timeout": check["timeout"],
    }
    return {
        "CheckID": check["checkId"],
        "Definition": definition,
        "Name": check["name"],
        "Node": new["node"],
        "Notes": check.get("notes", ""),
        "ServiceID": new.get("serviceId") or new["name"],
        "Status": check.get("status", ""),
    }


def _check_properties(check: Mapping[str, Any]) -> State:
    definition = check["Definition"]
    return {
        "checkId": check["CheckID"],
        "name": check["Name"],
        "notes": check["Notes"],
        "status": check["Status"],
        "tcp": definition.get("TCP", ""),
        "http": definition.get("HTTP", ""),
        "tlsSkipVerify": definition.get("TLSSkipVerify", False),
        "method": definition.get("Method", ""),
        "interval": definition.get("Interval") or ZERO_DURATION,
        "timeout": definition.get("Timeout") or ZERO_DURATION,
        "deregisterCriticalServiceAfter": definition.get("DeregisterCriticalServiceAfter")
        or ZERO_DURATION,
        "headers": [
            {"name": key, "values": value}
            for key, value in (definition.get("Header") or {}).items()
        ],
    }
