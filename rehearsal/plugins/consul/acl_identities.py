"""Identities and templated policies of tokens and roles."""

from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.properties import (
    STRING,
    Kind,
    Properties,
    Property,
    State,
    list_of,
    object_of,
)

NODE_IDENTITY: Properties = {
    "datacenter": Property(STRING, required=True),
    "nodeName": Property(STRING, required=True),
}
TEMPLATED_POLICY: Properties = {
    "datacenters": Property(list_of(STRING)),
    "templateName": Property(STRING, required=True),
    "templateVariables": Property(object_of({"name": Property(STRING)})),
}


def service_identity(datacenters: Kind) -> Kind:
    """Return the type of a service identity. ``datacenters`` is a list for a token, else a set."""
    return object_of(
        {"datacenters": Property(datacenters), "serviceName": Property(STRING, required=True)}
    )


def identities_body(new: State) -> State:
    """Return the identities of a token or role in Consul's format, without empty lists."""
    body = {
        "ServiceIdentities": [
            {"ServiceName": item["serviceName"], **_datacenters(item)}
            for item in new.get("serviceIdentities") or []
        ],
        "NodeIdentities": [
            {"NodeName": item["nodeName"], "Datacenter": item["datacenter"]}
            for item in new.get("nodeIdentities") or []
        ],
        "TemplatedPolicies": [
            _templated_policy_body(item) for item in new.get("templatedPolicies") or []
        ],
    }
    return {key: items for key, items in body.items() if items}


def identity_properties(response: Mapping[str, Any]) -> State:
    """Return the identities of a token or role from Consul's response."""
    return {
        "serviceIdentities": [
            {"serviceName": item["ServiceName"], "datacenters": item.get("Datacenters") or []}
            for item in response.get("ServiceIdentities") or []
        ],
        "nodeIdentities": [
            {"nodeName": item["NodeName"], "datacenter": item["Datacenter"]}
            for item in response.get("NodeIdentities") or []
        ],
        "templatedPolicies": [
            _templated_policy_properties(item) for item in response.get("TemplatedPolicies") or []
        ],
    }


def _datacenters(item: Mapping[str, Any]) -> State:
    return {"Datacenters": item["datacenters"]} if item.get("datacenters") else {}


def _templated_policy_body(item: Mapping[str, Any]) -> State:
    name = (item.get("templateVariables") or {}).get("name")
    return {
        "TemplateName": item["templateName"],
        **_datacenters(item),
        **({"TemplateVariables": {"Name": name}} if name else {}),
    }


def _templated_policy_properties(item: Mapping[str, Any]) -> State:
    variables = item.get("TemplateVariables")
    variables_property = (
        {"templateVariables": {"name": variables.get("name", "")}} if variables else {}
    )
    return {
        "templateName": item["TemplateName"],
        "datacenters": item.get("Datacenters") or [],
        **variables_property,
    }
