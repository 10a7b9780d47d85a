"""Service defaults."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.config_entry_base import ConfigEntryBase
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
)

FIELDS = {
    "balanceInboundConnections": "BalanceInboundConnections",
    "externalSni": "ExternalSNI",
    "localConnectTimeoutMs": "LocalConnectTimeoutMs",
    "localRequestTimeoutMs": "LocalRequestTimeoutMs",
    "maxInboundConnections": "MaxInboundConnections",
    "meta": "Meta",
    "mode": "Mode",
    "mutualTlsMode": "MutualTLSMode",
    "protocol": "Protocol",
}

EXPOSED_PATH: Properties = {
    "listenerPort": Property(INTEGER),
    "localPathPort": Property(INTEGER),
    "path": Property(STRING),
    "protocol": Property(STRING),
}
EXPOSED_PATH_FIELDS = {
    "listenerPort": "ListenerPort",
    "localPathPort": "LocalPathPort",
    "path": "Path",
    "protocol": "Protocol",
}
EXPOSE: Properties = {
    "checks": Property(BOOLEAN, replaces=True),
    "paths": Property(list_of(object_of(EXPOSED_PATH)), replaces=True),
}
MESH_GATEWAY: Properties = {"mode": Property(STRING, required=True)}
TRANSPARENT_PROXY: Properties = {
    "dialedDirectly": Property(BOOLEAN, required=True),
    "outboundListenerPort": Property(INTEGER, required=True),
}


class ServiceDefaults(ConfigEntryBase):
    """A service-defaults entry: settings for all instances of a service."""

    kind = "service-defaults"
    token = "consul:index/configEntryServiceDefaults:ConfigEntryServiceDefaults"
    properties: ClassVar[Properties] = {
        "balanceInboundConnections": Property(STRING),
        "destinations": Property(list_of(map_of(STRING)), supported=False),
        "envoyExtensions": Property(list_of(map_of(STRING)), supported=False),
        "exposes": Property(list_of(object_of(EXPOSE)), required=True),
        "externalSni": Property(STRING),
        "localConnectTimeoutMs": Property(INTEGER),
        "localRequestTimeoutMs": Property(INTEGER),
        "maxInboundConnections": Property(INTEGER),
        "meshGateways": Property(list_of(object_of(MESH_GATEWAY))),
        "meta": Property(map_of(STRING)),
        "mode": Property(STRING),
        "mutualTlsMode": Property(STRING),
        "name": name(replaces=True),
        "namespace": Property(STRING, replaces=True, supported=False),
        "partition": Property(STRING, replaces=True, supported=False),
        "protocol": Property(STRING, required=True),
        "transparentProxies": Property(list_of(object_of(TRANSPARENT_PROXY))),
        "upstreamConfigs": Property(list_of(map_of(STRING)), supported=False),
    }

    def request_body(self, new: State) -> State:
        request_body = {field: new[key] for key, field in FIELDS.items() if new.get(key)}
        for expose in new["exposes"][:1]:
            paths = [
                {field: path[key] for key, field in EXPOSED_PATH_FIELDS.items() if path.get(key)}
                for path in expose.get("paths") or []
            ]
            request_body["Expose"] = ({"Checks": True} if expose.get("checks") else {}) | (
                {"Paths": paths} if paths else {}
            )
        for gateway in (new.get("meshGateways") or [])[:1]:
            request_body["MeshGateway"] = {"Mode": gateway["mode"]} if gateway["mode"] else {}
        for proxy in (new.get("transparentProxies") or [])[:1]:
            request_body["TransparentProxy"] = {
                "DialedDirectly": proxy["dialedDirectly"],
                "OutboundListenerPort": proxy["outboundListenerPort"],
            }
        return request_body

    def to_properties(self, entry: Mapping[str, Any], kind: str) -> State:
        """Return the properties. Every block is a list with one member."""
        zero: dict[str, Any] = {"boolean": False, "integer": 0, "string": "", "map": {}}
        plain = {
            key: entry.get(field, zero[self.properties[key].kind.name])
            for key, field in FIELDS.items()
        }
        expose = entry.get("Expose") or {}
        proxy = entry.get("TransparentProxy") or {}
        paths = [
            {key: path.get(field) for key, field in EXPOSED_PATH_FIELDS.items()}
            for path in expose.get("Paths") or []
        ]
        return plain | {
            "envoyExtensions": [],
            "namespace": "",
            "partition": "",
            "exposes": [{"checks": expose.get("Checks", False), "paths": paths}],
            "meshGateways": [{"mode": (entry.get("MeshGateway") or {}).get("Mode", "")}],
            "transparentProxies": [
                {
                    "dialedDirectly": proxy.get("DialedDirectly", False),
                    "outboundListenerPort": proxy.get("OutboundListenerPort", 0),
                }
            ],
        }
