"""Nodes of the catalog."""

from typing import ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import STRING, Properties, Property, State, map_of, name


class Node(Resource[Consul]):
    """A machine that has no agent of its own."""

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
        """Without a state (an import) the id is a node's name."""
        node_name = state.get("name", resource_id)
        datacenter = self.client.datacenter(state)
        found = self.client.find(f"/v1/catalog/node/{node_name}", datacenter)
        if found is None:
            return None
        node = found["Node"]
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
        try:
            self.client.call("PUT", "/v1/catalog/deregister", old["datacenter"], body)
        except PluginError as error:
            raise PluginError(
                f"Failed to remove Consul node with name '{old['name']}' at {old['datacenter']}: {error}"
            ) from error

    def _register(self, change: Change) -> None:
        new = change.new
        datacenter = self.client.datacenter(change.old | new)
        body = {
            "Address": new["address"],
            "Datacenter": datacenter,
            "ID": "",
            "Node": new["name"],
            "NodeMeta": new.get("meta") or {},
        }
        try:
            self.client.call(
                "PUT", "/v1/catalog/register", datacenter, body | {"SkipNodeUpdate": False}
            )
        except PluginError as error:
            raise PluginError(
                f"Failed to register Consul catalog node with name '{new['name']}': {error}"
            ) from error
        change.learned["datacenter"] = datacenter
