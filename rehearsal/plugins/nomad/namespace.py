"""Namespaces."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import STRING, Properties, Property, State, list_of, map_of, name, object_of

CAPABILITIES = {
    "disabledNetworkModes": "DisabledNetworkModes",
    "disabledTaskDrivers": "DisabledTaskDrivers",
    "enabledNetworkModes": "EnabledNetworkModes",
    "enabledTaskDrivers": "EnabledTaskDrivers",
}
POOL = {"default": "Default", "alloweds": "Allowed", "denieds": "Denied"}
BLOCKS = {
    "capabilities": ("Capabilities", CAPABILITIES),
    "consulConfig": ("ConsulConfiguration", POOL),
    "nodePoolConfig": ("NodePoolConfiguration", POOL),
    "vaultConfig": ("VaultConfiguration", POOL),
}


def _block(fields: Mapping[str, str], computed: bool = False) -> Property:
    members = {key: Property(STRING if key == "default" else list_of(STRING)) for key in fields}
    return Property(object_of(members), computed=computed)


class Namespace(Resource[Nomad]):
    """A room for jobs."""

    token = "nomad:index/namespace:Namespace"
    properties: ClassVar[Properties] = {
        "capabilities": _block(CAPABILITIES),
        "consulConfig": _block(POOL, computed=True),
        "description": Property(STRING),
        "meta": Property(map_of(STRING)),
        "name": name(replaces=True),
        "nodePoolConfig": _block(POOL, computed=True),
        "quota": Property(STRING),
        "vaultConfig": _block(POOL, computed=True),
    }

    def create(self, change: Change) -> None:
        self._put(change)
        change.id = change.new["name"]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v1/namespace/{resource_id}")
        if found is None:
            return None
        blocks = {
            key: found[field]
            and {ours: found[field].get(theirs) for ours, theirs in fields.items()}
            for key, (field, fields) in BLOCKS.items()
        }
        plain = {
            "name": found["Name"],
            "description": found["Description"],
            "meta": found["Meta"] or {},
            "quota": found["Quota"],
        }
        return plain | blocks

    def update(self, change: Change) -> None:
        self._put(change)

    def delete(self, change: Change) -> None:
        try:
            self.client.call("DELETE", f"/v1/namespace/{change.id}")
        except RestError as error:
            raise PluginError(f'error deleting namespace "{change.id}": {error}') from error

    def _put(self, change: Change) -> None:
        new = change.new
        body: dict[str, Any] = {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Meta": new.get("meta") or {},
            "Quota": new.get("quota", ""),
        }
        for key, (field, fields) in BLOCKS.items():
            block = new.get(key)
            body[field] = block and {theirs: block.get(ours) for ours, theirs in fields.items()}
        try:
            self.client.call("PUT", "/v1/namespace", body)
        except PluginError as error:
            raise PluginError(f'error inserting namespace "{new["name"]}": {error}') from error
