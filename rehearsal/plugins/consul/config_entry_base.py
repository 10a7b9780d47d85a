"""Base class of the resources for configuration entries."""

import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import State
from rehearsal.plugins.resource import Change, Resource

SERVER_FIELDS = frozenset(
    {"Kind", "Name", "CreateIndex", "ModifyIndex", "Hash", "Namespace", "Partition"}
)
"""Fields of a response that are not part of an entry's content."""

DEFAULT_BLOCKS: Mapping[str, State] = {
    "service-defaults": {"Expose": {}, "MeshGateway": {}},
    "proxy-defaults": {"Expose": {}, "MeshGateway": {}},
}
"""Blocks that the official plugin sends for a kind even if the program does not set them."""


class ConfigEntryBase(Resource[Consul]):
    """A configuration entry."""

    kind: ClassVar[str]

    @abstractmethod
    def request_body(self, new: State) -> State:
        """Return the entry's content in Consul's format."""

    @abstractmethod
    def to_properties(self, entry: Mapping[str, Any], kind: str) -> State:
        """Return the properties of an entry in Consul's format."""

    def create(self, change: Change) -> None:
        self._write(change)
        change.id = self.resource_id(change.new)

    def read(self, resource_id: str, state: State) -> State | None:
        kind, name = self.kind_and_name(resource_id, state)
        entry = self.client.find(f"/v1/config/{kind}/{name}", self.client.datacenter({}))
        return None if entry is None else {"name": name, **self.to_properties(entry, kind)}

    def update(self, change: Change) -> None:
        self._write(change)

    def delete(self, change: Change) -> None:
        kind, name = self.kind_and_name(change.id, change.old)
        self.client.call("DELETE", f"/v1/config/{kind}/{name}", self.client.datacenter({}))

    def resource_id(self, new: State) -> str:
        """Return the resource id."""
        return str(new["name"])

    def kind_and_name(self, resource_id: str, state: State) -> tuple[str, str]:
        """Return kind and name of the entry."""
        return self.kind, state.get("name", resource_id)

    def _write(self, change: Change) -> None:
        kind, name = self.kind_and_name("", change.new)
        body = {
            **DEFAULT_BLOCKS.get(kind, {}),
            **self.request_body(change.new),
            "Kind": kind,
            "Name": name,
        }
        with error_context(f"Failed to set '{name}' config entry"):
            datacenter = self.client.datacenter({})
            self.client.call("PUT", "/v1/config", datacenter, body)
            self.client.call("GET", f"/v1/config/{kind}/{name}", datacenter)


def canonical_json(request_body: Mapping[str, Any]) -> str:
    """Format JSON like the official plugin: sorted keys, no spaces, HTML characters escaped."""
    text = json.dumps(request_body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[&<>\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)
