"""ACL roles."""

from typing import Any, ClassVar

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, object_of, set_of

PATH = "/v1/acl/role"


class AclRole(Resource[Nomad]):
    """Policies under a name."""

    token = "nomad:index/aclRole:AclRole"
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "name": name(),
        "policies": Property(
            set_of(object_of({"name": Property(STRING, required=True)})), required=True
        ),
    }

    def create(self, change: Change) -> None:
        change.id = self._put("creating ACL role", PATH, self._content("", change.new))["ID"]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"{PATH}/{resource_id}")
        if found is None:
            return None
        policies = [{"name": policy["Name"]} for policy in found["Policies"] or []]
        return {"name": found["Name"], "description": found["Description"], "policies": policies}

    def update(self, change: Change) -> None:
        self._put(
            f'updating ACL Role "{change.id}"',
            f"{PATH}/{change.id}",
            self._content(change.id, change.new),
        )

    def delete(self, change: Change) -> None:
        try:
            self.client.call("DELETE", f"{PATH}/{change.id}")
        except PluginError as error:
            raise PluginError(f'error deleting ACL Role "{change.id}": {error}') from error

    def _content(self, role: str, new: State) -> State:
        policies = [{"Name": policy["name"]} for policy in new["policies"]]
        return {
            "ID": role,
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Policies": policies,
        }

    def _put(self, doing: str, path: str, body: State) -> Any:
        try:
            return self.client.call("PUT", path, body)
        except PluginError as error:
            raise PluginError(f"error {doing}: {error}") from error
