"""ACL binding rules."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.acl_base import ENTERPRISE, AclObject
from rehearsal.plugins.properties import STRING, Properties, Property, State, object_of


class AclBindingRule(AclObject):
    """A rule that binds logins through an auth method to roles or identities."""

    token = "consul:index/aclBindingRule:AclBindingRule"
    noun = "binding rule"
    path = "/v1/acl/binding-rule"
    properties: ClassVar[Properties] = {
        "authMethod": Property(STRING, required=True, replaces=True),
        "bindName": Property(STRING, required=True),
        "bindType": Property(STRING, required=True, replaces=True),
        "bindVars": Property(object_of({"name": Property(STRING)})),
        "description": Property(STRING),
        "selector": Property(STRING),
        **ENTERPRISE,
    }

    def request_body(self, new: State) -> State:
        variables = (
            {"BindVars": {"Name": new["bindVars"].get("name", "")}} if new.get("bindVars") else {}
        )
        return {
            "AuthMethod": new["authMethod"],
            "BindName": new["bindName"],
            "BindType": new["bindType"],
            "Description": new.get("description", ""),
            "Selector": new.get("selector", ""),
            **variables,
        }

    def to_properties(self, response: Mapping[str, Any], state: State) -> State:
        """Omit the auth method, like the official plugin, so that a rule cannot be imported."""
        fields = {
            "bindName": "BindName",
            "bindType": "BindType",
            "description": "Description",
            "selector": "Selector",
        }
        variables = response.get("BindVars")
        bind_vars = (
            {"bindVars": variables and {"name": variables.get("name", "")}}
            if variables or state.get("bindVars")
            else {}
        )
        return {key: response[field] for key, field in fields.items()} | bind_vars
