"""All keys of the key-value store under one prefix."""

import base64
from typing import ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import (
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    map_of,
    object_of,
)
from rehearsal.plugins.resource import Change, Resource

RECURSE = {"recurse": ""}
SUBKEY: Properties = {
    "flags": Property(INTEGER),
    "path": Property(STRING, required=True),
    "value": Property(STRING, required=True),
}


class KeyPrefix(Resource[Consul]):
    """All keys under a prefix. Keys that the program does not list are deleted."""

    token = "consul:index/keyPrefix:KeyPrefix"
    reads_back = False
    properties: ClassVar[Properties] = {
        "datacenter": Property(STRING, computed=True, replaces=True),
        "namespace": Property(STRING, replaces=True, supported=False),
        "partition": Property(STRING, replaces=True, supported=False),
        "pathPrefix": Property(STRING, required=True, replaces=True),
        "subkeyCollection": Property(list_of(object_of(SUBKEY)), supported=False),
        "subkeys": Property(map_of(STRING)),
        "token": Property(STRING, secret=True, supported=False),
    }

    def create(self, change: Change) -> None:
        prefix = change.new["pathPrefix"]
        datacenter = self.client.datacenter(change.new)
        if self.client.find(f"/v1/kv/{prefix}", datacenter, RECURSE):
            raise PluginError(
                f"existing keys already exist under {prefix} ; "
                "delete them before managing this prefix with Pulumi"
            )
        change.outputs["datacenter"] = datacenter
        change.id = prefix
        self._write(prefix, datacenter, change.new.get("subkeys") or {})

    def read(self, resource_id: str, state: State) -> State | None:
        datacenter = self.client.datacenter(state)
        entries = self.client.find(f"/v1/kv/{resource_id}", datacenter, RECURSE) or []
        keys = {
            item["Key"].removeprefix(resource_id): base64.b64decode(item["Value"] or "").decode()
            for item in entries
        }
        return {"pathPrefix": resource_id, "datacenter": datacenter, "subkeys": keys}

    def update(self, change: Change) -> None:
        prefix, datacenter = change.id, change.old["datacenter"]
        wanted = change.new.get("subkeys") or {}
        self._write(prefix, datacenter, wanted)
        for key in sorted(set(change.old.get("subkeys") or {}) - set(wanted)):
            self.client.call("DELETE", f"/v1/kv/{prefix}{key}", datacenter)

    def delete(self, change: Change) -> None:
        self.client.call("DELETE", f"/v1/kv/{change.id}", change.old["datacenter"], query=RECURSE)

    def _write(self, prefix: str, datacenter: str, keys: State) -> None:
        for key, value in keys.items():
            self.client.call(
                "PUT", f"/v1/kv/{prefix}{key}", datacenter, str(value).encode(), raw=True
            )
