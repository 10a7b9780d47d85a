"""Nomad variables."""

from typing import ClassVar

from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, map_of
from rehearsal.plugins.resource import Change, Resource


class Variable(Resource[Nomad]):
    """The items of a variable at a path."""

    token = "nomad:index/variable:Variable"
    properties: ClassVar[Properties] = {
        "items": Property(map_of(STRING), secret=True),
        "itemsWo": Property(STRING, secret=True, supported=False),
        "itemsWoVersion": Property(INTEGER, supported=False),
        "namespace": Property(STRING, default="default", replaces=True),
        "path": Property(STRING, required=True, replaces=True),
    }

    def create(self, change: Change) -> None:
        self._put(change.new)
        change.id = f"{change.new['path']}@{change.new['namespace']}"

    def read(self, resource_id: str, state: State) -> State | None:
        path, _, namespace = resource_id.rpartition("@")
        variable = self.client.find(f"/v1/var/{path}", {"namespace": namespace})
        if variable is None:
            return None
        return {"path": path, "namespace": namespace, "items": variable["Items"]}

    def update(self, change: Change) -> None:
        self._put(change.new)

    def delete(self, change: Change) -> None:
        self.client.call(
            "DELETE", f"/v1/var/{change.old['path']}", query={"namespace": change.old["namespace"]}
        )

    def _put(self, new: State) -> None:
        body = {"Items": new.get("items") or {}, "Namespace": new["namespace"], "Path": new["path"]}
        self.client.call(
            "PUT",
            f"/v1/var/{new['path']}",
            body,
            {"namespace": new["namespace"]} if new["namespace"] != "default" else {},
        )
