"""ACL roles."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul import acl_identities
from rehearsal.plugins.consul.acl_base import ENTERPRISE, Acl
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import STRING, Properties, Property, State, list_of, name, object_of, set_of


class AclRole(Acl):
    """Policies and identities under a name; a policy may be named by its id or its name."""

    token = "consul:index/aclRole:AclRole"
    noun = "role"
    path = "/v1/acl/role"
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "name": name(),
        "nodeIdentities": Property(list_of(object_of(acl_identities.NODE))),
        "policies": Property(set_of(STRING)),
        "serviceIdentities": Property(set_of(acl_identities.service(set_of(STRING)))),
        "templatedPolicies": Property(list_of(object_of(acl_identities.TEMPLATED))),
        **ENTERPRISE,
    }

    def content(self, new: State) -> State:
        return {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Policies": [{self._field(policy): policy} for policy in new.get("policies") or []],
            **acl_identities.request(new),
        }

    def found(self, answer: Mapping[str, Any], state: State) -> State:
        """A policy that the program named by its name is told by its name."""
        by_name = {policy for policy in state.get("policies") or [] if self._named(policy)}
        links = answer.get("Policies") or []
        return {
            "description": answer["Description"],
            "name": answer["Name"],
            "policies": [link["Name"] if link["Name"] in by_name else link["ID"] for link in links],
            **acl_identities.found(answer),
        }

    def _field(self, policy: str) -> str:
        """Whether Consul knows a policy under this ``ID`` or this ``Name``."""
        datacenter = self.client.datacenter({})
        try:
            self.client.call("GET", f"/v1/acl/policy/{policy}", datacenter)
        except RestError as error:
            if self.client.find(f"/v1/acl/policy/name/{policy}", datacenter) is None:
                raise PluginError(f'failed to find policy "{policy}"') from error
            return "Name"
        return "ID"

    def _named(self, policy: str) -> bool:
        try:
            return self._field(policy) == "Name"
        except PluginError:
            return False
