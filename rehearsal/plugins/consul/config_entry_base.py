"""What all configuration entries share: how they are written, read and removed."""

import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import State

SERVERS_OWN = frozenset(
    {"Kind", "Name", "CreateIndex", "ModifyIndex", "Hash", "Namespace", "Partition"}
)
"""Fields that are not part of an entry's content."""

BLOCKS: Mapping[str, State] = {
    "service-defaults": {"Expose": {}, "MeshGateway": {}},
    "proxy-defaults": {"Expose": {}, "MeshGateway": {}},
}
"""What the official plugin sends for a kind even when the program names none."""


class Entry(Resource[Consul]):
    """One entry of a kind."""

    kind: ClassVar[str]

    @abstractmethod
    def content(self, new: State) -> State:
        """The entry's content as Consul wants it."""

    @abstractmethod
    def found(self, entry: Mapping[str, Any], kind: str) -> State:
        """The properties of an entry that Consul has."""

    def create(self, change: Change) -> None:
        self._set(change)
        change.id = self.identity(change.new)

    def read(self, resource_id: str, state: State) -> State | None:
        kind, name = self.key(resource_id, state)
        found = self.client.find(f"/v1/config/{kind}/{name}", self.client.datacenter({}))
        return None if found is None else {"name": name, **self.found(found, kind)}

    def update(self, change: Change) -> None:
        self._set(change)

    def delete(self, change: Change) -> None:
        kind, name = self.key(change.id, change.old)
        self.client.call("DELETE", f"/v1/config/{kind}/{name}", self.client.datacenter({}))

    def identity(self, new: State) -> str:
        """The resource's id."""
        return str(new["name"])

    def key(self, resource_id: str, state: State) -> tuple[str, str]:
        """Kind and name of the entry."""
        return self.kind, state.get("name", resource_id)

    def _set(self, change: Change) -> None:
        kind, name = self.key("", change.new)
        body = {**BLOCKS.get(kind, {}), **self.content(change.new), "Kind": kind, "Name": name}
        try:
            datacenter = self.client.datacenter({})
            self.client.call("PUT", "/v1/config", datacenter, body)
            self.client.call("GET", f"/v1/config/{kind}/{name}", datacenter)
        except PluginError as error:
            raise PluginError(f"Failed to set '{name}' config entry: {error}") from error


def as_text(content: Mapping[str, Any]) -> str:
    """JSON as the official plugin keeps it: keys sorted, no spaces, and what means something in HTML escaped."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[&<>\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)
