"""Service intentions: which services may connect to a service."""

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
    set_of,
)

SOURCE_FIELDS = {
    "action": "Action",
    "description": "Description",
    "name": "Name",
    "namespace": "Namespace",
    "partition": "Partition",
    "peer": "Peer",
    "precedence": "Precedence",
    "samenessGroup": "SamenessGroup",
    "type": "Type",
}

HEADER_FIELDS = {
    "exact": "Exact",
    "invert": "Invert",
    "name": "Name",
    "prefix": "Prefix",
    "present": "Present",
    "regex": "Regex",
    "suffix": "Suffix",
}
HEADER: Properties = {
    key: Property(BOOLEAN if key in ("invert", "present") else STRING, required=key == "name")
    for key in HEADER_FIELDS
}
HTTP_FIELDS = {
    "methods": "Methods",
    "pathExact": "PathExact",
    "pathPrefix": "PathPrefix",
    "pathRegex": "PathRegex",
}
HTTP: Properties = {
    "headers": Property(list_of(object_of(HEADER))),
    "methods": Property(list_of(STRING)),
    "pathExact": Property(STRING),
    "pathPrefix": Property(STRING),
    "pathRegex": Property(STRING),
}
PERMISSION: Properties = {
    "action": Property(STRING, required=True),
    "https": Property(set_of(object_of(HTTP)), required=True),
}
SOURCE: Properties = {
    **{key: Property(INTEGER if key == "precedence" else STRING) for key in SOURCE_FIELDS},
    "permissions": Property(list_of(object_of(PERMISSION))),
}


class ServiceIntentions(ConfigEntryBase):
    """A service-intentions entry: the allowed and denied sources of one destination."""

    kind = "service-intentions"
    token = "consul:index/configEntryServiceIntentions:ConfigEntryServiceIntentions"
    properties: ClassVar[Properties] = {
        "jwts": Property(list_of(map_of(STRING)), supported=False),
        "meta": Property(map_of(STRING)),
        "name": name(replaces=True),
        "namespace": Property(STRING, replaces=True, supported=False),
        "partition": Property(STRING, replaces=True, supported=False),
        "sources": Property(list_of(object_of(SOURCE))),
    }

    def request_body(self, new: State) -> State:
        meta = {"Meta": new["meta"]} if new.get("meta") else {}
        return meta | {"Sources": [_source_body(source) for source in new.get("sources") or []]}

    def to_properties(self, entry: Mapping[str, Any], kind: str) -> State:
        sources = [_source_properties(source) for source in entry.get("Sources") or []]
        return {
            "meta": entry.get("Meta") or {},
            "namespace": "",
            "partition": "",
            "sources": sources,
        }


def _source_body(source: Mapping[str, Any]) -> State:
    permissions = [_permission_body(permission) for permission in source.get("permissions") or []]
    plain = {field: source[key] for key, field in SOURCE_FIELDS.items() if source.get(key)}
    return plain | ({"Permissions": permissions} if permissions else {})


def _permission_body(permission: Mapping[str, Any]) -> State:
    http: State = {}
    for rule in permission["https"][:1]:
        http = {field: rule[key] for key, field in HTTP_FIELDS.items() if rule.get(key)}
        headers = [
            {field: header[key] for key, field in HEADER_FIELDS.items() if header.get(key)}
            for header in rule.get("headers") or []
        ]
        http |= {"Header": headers} if headers else {}
    return {"Action": permission["action"], "HTTP": http}


def _source_properties(source: Mapping[str, Any]) -> State:
    plain = {
        key: source.get(field, 0 if key == "precedence" else "")
        for key, field in SOURCE_FIELDS.items()
    }
    return plain | {
        "permissions": [
            _permission_properties(permission) for permission in source.get("Permissions") or []
        ]
    }


def _permission_properties(permission: Mapping[str, Any]) -> State:
    http = permission.get("HTTP") or {}
    rule = {key: http.get(field) for key, field in HTTP_FIELDS.items()}
    headers = [
        {key: header.get(field) for key, field in HEADER_FIELDS.items()}
        for header in http.get("Header") or []
    ]
    return {"action": permission["Action"], "https": [rule | {"headers": headers}]}
