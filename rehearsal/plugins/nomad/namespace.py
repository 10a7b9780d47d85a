"""Namespaces."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.errors import error_context
from rehearsal.plugins.nomad.api import Nomad
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
from rehearsal.plugins.resource import Change, Resource

CAPABILITY_FIELDS = {
    "disabledNetworkModes": "DisabledNetworkModes",
    "disabledTaskDrivers": "DisabledTaskDrivers",
    "enabledNetworkModes": "EnabledNetworkModes",
    "enabledTaskDrivers": "EnabledTaskDrivers",
}
ALLOW_LIST_FIELDS = {"default": "Default", "alloweds": "Allowed", "denieds": "Denied"}
BLOCKS = {
    "capabilities": ("Capabilities", CAPABILITY_FIELDS),
    "consulConfig": ("ConsulConfiguration", ALLOW_LIST_FIELDS),
    "nodePoolConfig": ("NodePoolConfiguration", ALLOW_LIST_FIELDS),
    "vaultConfig": ("VaultConfiguration", ALLOW_LIST_FIELDS),
}


def _block(fields: Mapping[str, str], computed: bool = False) -> Property:
    members = {key: Property(STRING if key == "default" else list_of(STRING)) for key in fields}
    return Property(object_of(members), computed=computed)


class Namespace(Resource[Nomad]):
    """A Nomad namespace."""

    token = "nomad:index/namespace:Namespace"
    properties: ClassVar[Properties] = {
        "capabilities": _block(CAPABILITY_FIELDS),
        "consulConfig": _block(ALLOW_LIST_FIELDS, computed=True),
        "description": Property(STRING),
        "meta": Property(map_of(STRING)),
        "name": name(replaces=True),
        "nodePoolConfig": _block(ALLOW_LIST_FIELDS, computed=True),
        "quota": Property(STRING),
        "vaultConfig": _block(ALLOW_LIST_FIELDS, computed=True),
    }

    def create(self, change: Change) -> None:
        self._put(change)
        change.id = change.new["name"]

    def read(self, resource_id: str, state: State) -> State | None:
        namespace = self.client.find(f"/v1/namespace/{resource_id}")
        if namespace is None:
            return None
        blocks = {
            key: namespace[field]
            and {member: namespace[field].get(name) for member, name in fields.items()}
            for key, (field, fields) in BLOCKS.items()
        }
        plain = {
            "name": namespace["Name"],
            "description": namespace["Description"],
            "meta": namespace["Meta"] or {},
            "quota": namespace["Quota"],
        }
        return plain | blocks

    def update(self, change: Change) -> None:
        self._put(change)

    def delete(self, change: Change) -> None:
        with error_context(f'error deleting namespace "{change.id}"'):
            self.client.call("DELETE", f"/v1/namespace/{change.id}")

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
            body[field] = block and {name: block.get(member) for member, name in fields.items()}
        with error_context(f'error inserting namespace "{new["name"]}"'):
            self.client.call("PUT", "/v1/namespace", body)
