"""ACL auth methods."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.consul.acl_base import ENTERPRISE, AclObject
from rehearsal.plugins.consul.config_entry_base import canonical_json
from rehearsal.plugins.durations import format_duration, is_same_duration, parse_duration
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import (
    STRING,
    Properties,
    Property,
    State,
    list_of,
    map_of,
    name,
    object_of,
)
from rehearsal.plugins.resource import Change
from rehearsal.plugins.values import UNKNOWN

NAMESPACE_RULE: Properties = {
    "bindNamespace": Property(STRING, required=True),
    "selector": Property(STRING),
}


class AclAuthMethod(AclObject):
    """An auth method. Like the official plugin, this compares ``configJson`` as text."""

    token = "consul:index/aclAuthMethod:AclAuthMethod"
    noun = "auth method"
    path = "/v1/acl/auth-method"
    key = "Name"
    prefix = "auth-method-"
    properties: ClassVar[Properties] = {
        "config": Property(map_of(STRING), computed=True, supported=False),
        "configJson": Property(STRING, computed=True),
        "description": Property(STRING),
        "displayName": Property(STRING),
        "maxTokenTtl": Property(STRING, default="0s", is_equivalent=is_same_duration),
        "name": name(replaces=True),
        "namespaceRules": Property(list_of(object_of(NAMESPACE_RULE)), supported=False),
        "tokenLocality": Property(STRING),
        "type": Property(STRING, required=True, replaces=True),
        **ENTERPRISE,
    }

    def check(self, inputs: State) -> list[Failure]:
        text, lifetime = inputs.get("configJson", UNKNOWN), inputs["maxTokenTtl"]
        failures = []
        try:
            is_valid = text == UNKNOWN or isinstance(json.loads(text), dict)
        except ValueError:
            is_valid = False
        if not is_valid:
            failures.append(
                Failure("configJson", "failed to read 'config_json': not a JSON object")
            )
        if lifetime != UNKNOWN and not is_same_duration(lifetime, lifetime):
            failures.append(Failure("maxTokenTtl", f'time: invalid duration "{lifetime}"'))
        return failures

    def request_body(self, new: State) -> State:
        config = json.loads(new.get("configJson") or "{}")
        if not config:
            raise PluginError("one of 'config' or 'config_json' must be set")
        lifetime = parse_duration(new["maxTokenTtl"])
        return {
            "Name": new["name"],
            "Type": new["type"],
            "DisplayName": new.get("displayName", ""),
            "Description": new.get("description", ""),
            "TokenLocality": new.get("tokenLocality", ""),
            "Config": config,
            **({"MaxTokenTTL": format_duration(lifetime)} if lifetime else {}),
        }

    def to_properties(self, response: Mapping[str, Any], state: State) -> State:
        config = response["Config"] or {}
        return {
            "config": config if all(isinstance(value, str) for value in config.values()) else {},
            "configJson": canonical_json(config),
            "description": response.get("Description", ""),
            "displayName": response.get("DisplayName", ""),
            "maxTokenTtl": format_duration(parse_duration(response.get("MaxTokenTTL") or "0s")),
            "name": response["Name"],
            "namespaceRules": [],
            "tokenLocality": response.get("TokenLocality", ""),
            "type": response["Type"],
        }

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError("a Consul auth method cannot be imported")
        return super().read(resource_id, state)

    def update(self, change: Change) -> None:
        """Update the auth method; without ``configJson`` keep the old configuration."""
        change.new = {"configJson": change.old.get("configJson"), **change.new}
        super().update(change)
