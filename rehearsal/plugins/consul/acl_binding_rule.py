"""ACL binding rules: what a login through an auth method gives."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.acl_base import ENTERPRISE, Acl
from rehearsal.plugins.properties import STRING, Properties, Property, State, object_of


class AclBindingRule(Acl):
    """One rule of an auth method."""

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

    def content(self, new: State) -> State:
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

    def found(self, answer: Mapping[str, Any], state: State) -> State:
        """Without the auth method, as the official plugin: a rule cannot be imported."""
        plain = {
            "bindName": "BindName",
            "bindType": "BindType",
            "description": "Description",
            "selector": "Selector",
        }
        variables = answer.get("BindVars")
        bound = (
            {"bindVars": variables and {"name": variables.get("name", "")}}
            if variables or state.get("bindVars")
            else {}
        )
        return {key: answer[field] for key, field in plain.items()} | bound
