"""Configuration entries of any kind in JSON."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.consul.config_entry_base import (
    SERVER_FIELDS,
    ConfigEntryBase,
    canonical_json,
)
from rehearsal.plugins.properties import STRING, Properties, Property, State, name
from rehearsal.plugins.values import UNKNOWN

KINDS = (
    "api-gateway",
    "exported-services",
    "http-route",
    "ingress-gateway",
    "inline-certificate",
    "jwt-provider",
    "mesh",
    "proxy-defaults",
    "sameness-group",
    "service-defaults",
    "service-intentions",
    "service-resolver",
    "service-router",
    "service-splitter",
    "tcp-route",
    "terminating-gateway",
)


def _is_same_json(old: str, new: str) -> bool:
    """Compare as JSON. Like the official plugin, report blocks that only Consul has."""
    try:
        return bool(json.loads(old) == json.loads(new))
    except ValueError:
        return False


class ConfigEntry(ConfigEntryBase):
    """A configuration entry whose content is JSON text."""

    token = "consul:index/configEntry:ConfigEntry"
    properties: ClassVar[Properties] = {
        "configJson": Property(STRING, is_equivalent=_is_same_json),
        "kind": Property(STRING, required=True, replaces=True),
        "name": name(replaces=True),
        "namespace": Property(STRING, replaces=True, supported=False),
        "partition": Property(STRING, replaces=True, supported=False),
    }

    def check(self, inputs: State) -> list[Failure]:
        failures = []
        if inputs["kind"] not in (UNKNOWN, *KINDS):
            failures.append(Failure("kind", f"invalid config entry kind: {inputs['kind']}"))
        text = inputs.get("configJson", "{}")
        try:
            is_valid = text == UNKNOWN or isinstance(json.loads(text), dict)
        except ValueError:
            is_valid = False
        if not is_valid:
            reason = "Failed to unmarshal configMap: not a JSON object"
            failures.append(Failure("configJson", reason))
        return failures

    def request_body(self, new: State) -> State:
        request_body: State = json.loads(new.get("configJson") or "{}")
        return request_body

    def to_properties(self, entry: Mapping[str, Any], kind: str) -> State:
        request_body = {key: value for key, value in entry.items() if key not in SERVER_FIELDS}
        return {"kind": kind, "configJson": canonical_json(request_body)}

    def resource_id(self, new: State) -> str:
        return f"{new['kind']}-{new['name']}"

    def kind_and_name(self, resource_id: str, state: State) -> tuple[str, str]:
        """Return kind and name. The id of an import is ``KIND-NAME``."""
        if state:
            return state["kind"], state["name"]
        kind = next((kind for kind in KINDS if resource_id.startswith(f"{kind}-")), "")
        return kind, resource_id.removeprefix(f"{kind}-")
