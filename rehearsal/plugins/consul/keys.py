"""Single keys."""

import base64
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State, map_of, object_of, output, set_of

KEY: Properties = {
    "default": Property(STRING),
    "delete": Property(BOOLEAN, default=False),
    "flags": Property(INTEGER, default=0),
    "name": Property(STRING),
    "path": Property(STRING, required=True),
    "value": Property(STRING, computed=True),
}


class Keys(Resource[Consul]):
    """Some keys, written, or read when they have a name and no value."""

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
            found = self.client.find(f"/v1/kv/{key['path']}", datacenter)
            value = (
                base64.b64decode(found[0]["Value"] or "").decode()
                if found
                else key.get("default", "")
            )
            blank = {
                "default": "",
                "delete": False,
                "name": "",
                "flags": found[0]["Flags"] if found else 0,
            }
            keys.append({**blank, **key, "value": value})
            if key.get("name"):
                named[key["name"]] = value
        return {"datacenter": datacenter, "keys": keys, "var": named}

    def update(self, change: Change) -> None:
        datacenter = change.old["datacenter"]
        wanted = change.new.get("keys") or []
        self._write(datacenter, wanted)
        kept = {key["path"] for key in wanted}
        self._remove(
            datacenter, [key for key in change.old.get("keys") or [] if key["path"] not in kept]
        )

    def delete(self, change: Change) -> None:
        self._remove(change.old["datacenter"], change.old.get("keys") or [])

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

    def _remove(self, datacenter: str, keys: list[Any]) -> None:
        """Only the keys that the program gave into this resource's hands."""
        for key in keys:
            if key.get("delete"):
                self.client.call("DELETE", f"/v1/kv/{key['path']}", datacenter)
