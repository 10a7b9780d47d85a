"""ACL policies."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.acl_base import ENTERPRISE, Acl, look_for_message
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, set_of


class AclPolicy(Acl):
    """Rules under a name."""

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

    def content(self, new: State) -> State:
        datacenters = {"Datacenters": new["datacenters"]} if new.get("datacenters") else {}
        return {
            "Name": new["name"],
            "Description": new.get("description", ""),
            "Rules": new["rules"],
            **datacenters,
        }

    def found(self, answer: Mapping[str, Any], state: State) -> State:
        return {
            "datacenters": answer.get("Datacenters") or [],
            "description": answer["Description"],
            "name": answer["Name"],
            "rules": answer["Rules"],
        }

    def look(self, path: str) -> Any:
        return look_for_message(self.client, path)
