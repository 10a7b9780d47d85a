"""ACL roles."""

from typing import ClassVar

from rehearsal.plugins.errors import error_context
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.properties import (
    STRING,
    Properties,
    Property,
    State,
    name,
    object_of,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource

PATH = "/v1/acl/role"


class AclRole(Resource[Nomad]):
    """An ACL role: a named set of policies."""

    token = "nomad:index/aclRole:AclRole"
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "name": name(),
        "policies": Property(
            set_of(object_of({"name": Property(STRING, required=True)})), required=True
        ),
    }

    def create(self, change: Change) -> None:
        with error_context("error creating ACL role"):
            change.id = self.client.call("PUT", PATH, self._request_body("", change.new))["ID"]

    def read(self, resource_id: str, state: State) -> State | None:
        role = self.client.find(f"{PATH}/{resource_id}")
        if role is None:
            return None
        policies = [{"name": policy["Name"]} for policy in role["Policies"] or []]
        return {"name": role["Name"], "description": role["Description"], "policies": policies}

    def update(self, change: Change) -> None:
        with error_context(f'error updating ACL Role "{change.id}"'):
            body = self._request_body(change.id, change.new)
            self.client.call("PUT", f"{PATH}/{change.id}", body)

    def delete(self, change: Change) -> None:
        with error_context(f'error deleting ACL Role "{change.id}"'):
            self.client.call("DELETE", f"{PATH}/{change.id}")

    def _request_body(self, role_id: str, new: State) -> State:
        policies = [{"Name": policy["name"]} for policy in new["policies"]]
        return {
            "ID": role_id,
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Policies": policies,
        }
