"""Configuration entries of any kind, as JSON."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.consul.config_entry_base import SERVERS_OWN, Entry, as_text
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


def _same(old: str, new: str) -> bool:
    """Equal as JSON. A block that Consul stored and the program lacks differs: so it does with the official plugin."""
    try:
        return bool(json.loads(old) == json.loads(new))
    except ValueError:
        return False


class ConfigEntry(Entry):
    """An entry whose content is JSON text."""

    token = "consul:index/configEntry:ConfigEntry"
    properties: ClassVar[Properties] = {
        "configJson": Property(STRING, same=_same),
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
            sound = text == UNKNOWN or isinstance(json.loads(text), dict)
        except ValueError:
            sound = False
        return (
            failures
            if sound
            else [
                *failures,
                Failure("configJson", "Failed to unmarshal configMap: not a JSON object"),
            ]
        )

    def content(self, new: State) -> State:
        content: State = json.loads(new.get("configJson") or "{}")
        return content

    def found(self, entry: Mapping[str, Any], kind: str) -> State:
        content = {key: value for key, value in entry.items() if key not in SERVERS_OWN}
        return {"kind": kind, "configJson": as_text(content)}

    def identity(self, new: State) -> str:
        return f"{new['kind']}-{new['name']}"

    def key(self, resource_id: str, state: State) -> tuple[str, str]:
        """On an import the id tells both."""
        if state:
            return state["kind"], state["name"]
        kind = next((kind for kind in KINDS if resource_id.startswith(f"{kind}-")), "")
        return kind, resource_id.removeprefix(f"{kind}-")
