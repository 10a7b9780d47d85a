"""The identities and templated policies that tokens and roles carry."""

from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.properties import STRING, Kind, Properties, Property, State, list_of, object_of

NODE: Properties = {
    "datacenter": Property(STRING, required=True),
    "nodeName": Property(STRING, required=True),
}
TEMPLATED: Properties = {
    "datacenters": Property(list_of(STRING)),
    "templateName": Property(STRING, required=True),
    "templateVariables": Property(object_of({"name": Property(STRING)})),
}


def service(datacenters: Kind) -> Kind:
    """A service identity; a token keeps its datacenters in order, a role does not."""
    return object_of(
        {"datacenters": Property(datacenters), "serviceName": Property(STRING, required=True)}
    )


def request(new: State) -> State:
    """The part of a token or role that names identities; what is empty is left out."""
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
            _templated_request(item) for item in new.get("templatedPolicies") or []
        ],
    }
    return {key: items for key, items in body.items() if items}


def found(answer: Mapping[str, Any]) -> State:
    """The same, from Consul's answer."""
    return {
        "serviceIdentities": [
            {"serviceName": item["ServiceName"], "datacenters": item.get("Datacenters") or []}
            for item in answer.get("ServiceIdentities") or []
        ],
        "nodeIdentities": [
            {"nodeName": item["NodeName"], "datacenter": item["Datacenter"]}
            for item in answer.get("NodeIdentities") or []
        ],
        "templatedPolicies": [
            _templated_state(item) for item in answer.get("TemplatedPolicies") or []
        ],
    }


def _datacenters(item: Mapping[str, Any]) -> State:
    return {"Datacenters": item["datacenters"]} if item.get("datacenters") else {}


def _templated_request(item: Mapping[str, Any]) -> State:
    name = (item.get("templateVariables") or {}).get("name")
    return {
        "TemplateName": item["templateName"],
        **_datacenters(item),
        **({"TemplateVariables": {"Name": name}} if name else {}),
    }


def _templated_state(item: Mapping[str, Any]) -> State:
    variables = item.get("TemplateVariables")
    named = {"templateVariables": {"name": variables.get("name", "")}} if variables else {}
    return {
        "templateName": item["TemplateName"],
        "datacenters": item.get("Datacenters") or [],
        **named,
    }
