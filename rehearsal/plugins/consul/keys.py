"""Single keys of the key-value store."""

import base64
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    map_of,
    object_of,
    output,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource

KEY: Properties = {
    "default": Property(STRING),
    "delete": Property(BOOLEAN, default=False),
    "flags": Property(INTEGER, default=0),
    "name": Property(STRING),
    "path": Property(STRING, required=True),
    "value": Property(STRING, computed=True),
}


class Keys(Resource[Consul]):
    """Keys that are written, or read if they have a name and no value."""

    token = "consul:index/keys:Keys"
    properties: ClassVar[Properties] = {
        "datacenter": Property(STRING, computed=True, replaces=True),
        "keys": Property(set_of(object_of(KEY))),
        "namespace": Property(STRING, replaces=True, supported=False),
        "partition": Property(STRING, replaces=True, supported=False),
        "token": Property(STRING, secret=True, supported=False),
        "var": output(map_of(STRING)),
    }

    def create(self, change: Change) -> None:
        datacenter = self.client.datacenter(change.new)
        change.id = "consul"
        self._write(datacenter, change.new.get("keys") or [])

    def read(self, resource_id: str, state: State) -> State | None:
        datacenter = self.client.datacenter(state)
        keys, named = [], {}
        for key in state.get("keys") or []:
            entries = self.client.find(f"/v1/kv/{key['path']}", datacenter)
            value = (
                base64.b64decode(entries[0]["Value"] or "").decode()
                if entries
                else key.get("default", "")
            )
            defaults = {
                "default": "",
                "delete": False,
                "name": "",
                "flags": entries[0]["Flags"] if entries else 0,
            }
            keys.append({**defaults, **key, "value": value})
            if key.get("name"):
                named[key["name"]] = value
        return {"datacenter": datacenter, "keys": keys, "var": named}

    def update(self, change: Change) -> None:
        datacenter = change.old["datacenter"]
        wanted = change.new.get("keys") or []
        self._write(datacenter, wanted)
        wanted_paths = {key["path"] for key in wanted}
        self._delete(
            datacenter,
            [key for key in change.old.get("keys") or [] if key["path"] not in wanted_paths],
        )

    def delete(self, change: Change) -> None:
        self._delete(change.old["datacenter"], change.old.get("keys") or [])

    def _write(self, datacenter: str, keys: list[Any]) -> None:
        for key in keys:
            if key.get("value") is not None:
                query = {"flags": str(key["flags"])} if key.get("flags") else {}
                self.client.call(
                    "PUT",
                    f"/v1/kv/{key['path']}",
                    datacenter,
                    key["value"].encode(),
                    query,
                    raw=True,
                )

    def _delete(self, datacenter: str, keys: list[Any]) -> None:
        """Delete the keys that have ``delete`` set."""
        for key in keys:
            if key.get("delete"):
                self.client.call("DELETE", f"/v1/kv/{key['path']}", datacenter)
