"""ACL auth methods: how others' tokens become Consul's."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.consul.acl_base import ENTERPRISE, Acl
from rehearsal.plugins.consul.config_entry_base import as_text
from rehearsal.plugins.durations import go_duration, nanoseconds, same_duration
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.resource import Change
from rehearsal.plugins.properties import STRING, Properties, Property, State, list_of, map_of, name, object_of
from rehearsal.plugins.values import UNKNOWN

RULE: Properties = {"bindNamespace": Property(STRING, required=True), "selector": Property(STRING)}


class AclAuthMethod(Acl):
    """A method with its configuration as JSON, which the official plugin compares as text: any other writing is a change."""

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
        "maxTokenTtl": Property(STRING, default="0s", same=same_duration),
        "name": name(replaces=True),
        "namespaceRules": Property(list_of(object_of(RULE)), supported=False),
        "tokenLocality": Property(STRING),
        "type": Property(STRING, required=True, replaces=True),
        **ENTERPRISE,
    }

    def check(self, inputs: State) -> list[Failure]:
        text, lifetime = inputs.get("configJson", UNKNOWN), inputs["maxTokenTtl"]
        failures = []
        try:
            sound = text == UNKNOWN or isinstance(json.loads(text), dict)
        except ValueError:
            sound = False
        if not sound:
            failures.append(
                Failure("configJson", "failed to read 'config_json': not a JSON object")
            )
        if lifetime != UNKNOWN and not same_duration(lifetime, lifetime):
            failures.append(Failure("maxTokenTtl", f'time: invalid duration "{lifetime}"'))
        return failures

    def content(self, new: State) -> State:
        config = json.loads(new.get("configJson") or "{}")
        if not config:
            raise PluginError("one of 'config' or 'config_json' must be set")
        lifetime = nanoseconds(new["maxTokenTtl"])
        return {
            "Name": new["name"],
            "Type": new["type"],
            "DisplayName": new.get("displayName", ""),
            "Description": new.get("description", ""),
            "TokenLocality": new.get("tokenLocality", ""),
            "Config": config,
            **({"MaxTokenTTL": go_duration(lifetime)} if lifetime else {}),
        }

    def found(self, answer: Mapping[str, Any], state: State) -> State:
        config = answer["Config"] or {}
        return {
            "config": config if all(isinstance(value, str) for value in config.values()) else {},
            "configJson": as_text(config),
            "description": answer.get("Description", ""),
            "displayName": answer.get("DisplayName", ""),
            "maxTokenTtl": go_duration(nanoseconds(answer.get("MaxTokenTTL") or "0s")),
            "name": answer["Name"],
            "namespaceRules": [],
            "tokenLocality": answer.get("TokenLocality", ""),
            "type": answer["Type"],
        }

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError("a Consul auth method cannot be imported")
        return super().read(resource_id, state)

    def update(self, change: Change) -> None:
        """A configuration left out stays as it is."""
        change.new = {"configJson": change.old.get("configJson"), **change.new}
        super().update(change)
