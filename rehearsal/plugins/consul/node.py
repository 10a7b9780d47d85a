"""Catalog nodes."""

from typing import ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import STRING, Properties, Property, State, map_of, name
from rehearsal.plugins.resource import Change, Resource


class Node(Resource[Consul]):
    """An external node: a machine without a Consul agent."""

    token = "consul:index/node:Node"
    properties: ClassVar[Properties] = {
        "address": Property(STRING, required=True, replaces=True),
        "datacenter": Property(STRING, computed=True, replaces=True),
        "meta": Property(map_of(STRING)),
        "name": name(replaces=True),
        "partition": Property(STRING, replaces=True, supported=False),
        "token": Property(STRING, secret=True, supported=False),
    }

    def create(self, change: Change) -> None:
        self._register(change)
        change.id = f"{change.new['name']}-{change.new['address']}"

    def read(self, resource_id: str, state: State) -> State | None:
        """Read the node. The id of an import is the node's name."""
        node_name = state.get("name", resource_id)
        datacenter = self.client.datacenter(state)
        response = self.client.find(f"/v1/catalog/node/{node_name}", datacenter)
        if response is None:
            return None
        node = response["Node"]
        return {
            "name": node["Node"],
            "address": node["Address"],
            "datacenter": datacenter,
            "meta": node["Meta"] or {},
        }

    def update(self, change: Change) -> None:
        self._register(change)

    def delete(self, change: Change) -> None:
        self.client.datacenter({})
        old = change.old
        body = {
            "Node": old["name"],
            "Address": old["address"],
            "Datacenter": old["datacenter"],
            "ServiceID": "",
            "CheckID": "",
        }
        context = f"Failed to remove Consul node with name '{old['name']}' at {old['datacenter']}"
        with error_context(context):
            self.client.call("PUT", "/v1/catalog/deregister", old["datacenter"], body)

    def _register(self, change: Change) -> None:
        new = change.new
        datacenter = self.client.datacenter(change.old | new)
        body = {
            "Address": new["address"],
            "Datacenter": datacenter,
            "ID": "",
            "Node": new["name"],
            "NodeMeta": new.get("meta") or {},
            "SkipNodeUpdate": False,
        }
        with error_context(f"Failed to register Consul catalog node with name '{new['name']}'"):
            self.client.call("PUT", "/v1/catalog/register", datacenter, body)
        change.outputs["datacenter"] = datacenter
