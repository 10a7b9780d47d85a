"""ACL roles."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul import acl_identities
from rehearsal.plugins.consul.acl_base import ENTERPRISE, AclObject
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import (
    STRING,
    Properties,
    Property,
    State,
    list_of,
    name,
    object_of,
    set_of,
)
from rehearsal.plugins.rest import RestError


class AclRole(AclObject):
    """An ACL role. The program may refer to a policy by id or by name."""

    token = "consul:index/aclRole:AclRole"
    noun = "role"
    path = "/v1/acl/role"
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "name": name(),
        "nodeIdentities": Property(list_of(object_of(acl_identities.NODE_IDENTITY))),
        "policies": Property(set_of(STRING)),
        "serviceIdentities": Property(set_of(acl_identities.service_identity(set_of(STRING)))),
        "templatedPolicies": Property(list_of(object_of(acl_identities.TEMPLATED_POLICY))),
        **ENTERPRISE,
    }

    def request_body(self, new: State) -> State:
        return {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Policies": [
                {self._reference_field(policy): policy} for policy in new.get("policies") or []
            ],
            **acl_identities.identities_body(new),
        }

    def to_properties(self, response: Mapping[str, Any], state: State) -> State:
        """Return policies by name if the state refers to them by name, else by id."""
        by_name = {policy for policy in state.get("policies") or [] if self._is_name(policy)}
        links = response.get("Policies") or []
        return {
            "description": response["Description"],
            "name": response["Name"],
            "policies": [link["Name"] if link["Name"] in by_name else link["ID"] for link in links],
            **acl_identities.identity_properties(response),
        }

    def _reference_field(self, policy: str) -> str:
        """Return ``ID`` or ``Name``, whichever identifies an existing policy."""
        datacenter = self.client.datacenter({})
        try:
            self.client.call("GET", f"/v1/acl/policy/{policy}", datacenter)
        except RestError as error:
            if self.client.find(f"/v1/acl/policy/name/{policy}", datacenter) is None:
                raise PluginError(f'failed to find policy "{policy}"') from error
            return "Name"
        return "ID"

    def _is_name(self, policy: str) -> bool:
        try:
            return self._reference_field(policy) == "Name"
        except PluginError:
            return False
