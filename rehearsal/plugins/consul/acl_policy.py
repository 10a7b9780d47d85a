"""ACL policies."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.acl_base import ENTERPRISE, AclObject, find_by_error_message
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, set_of


class AclPolicy(AclObject):
    """An ACL policy: named rules."""

    token = "consul:index/aclPolicy:AclPolicy"
    noun = "ACL policy"
    path = "/v1/acl/policy"
    properties: ClassVar[Properties] = {
        "datacenters": Property(set_of(STRING)),
        "description": Property(STRING),
        "name": name(),
        "rules": Property(STRING, required=True),
        **ENTERPRISE,
    }

    def request_body(self, new: State) -> State:
        datacenters = {"Datacenters": new["datacenters"]} if new.get("datacenters") else {}
        return {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Rules": new["rules"],
            **datacenters,
        }

    def to_properties(self, response: Mapping[str, Any], state: State) -> State:
        return {
            "datacenters": response.get("Datacenters") or [],
            "description": response["Description"],
            "name": response["Name"],
            "rules": response["Rules"],
        }

    def find(self, path: str) -> Any:
        return find_by_error_message(self.client, path)
