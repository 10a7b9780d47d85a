"""Functions (data sources) of Consul's ACL system."""

from rehearsal.plugins.consul.acl_token import PATH, token_properties
from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.properties import STRING, Properties, Property, State
from rehearsal.plugins.resource import Function

ACCESSOR_INPUTS: Properties = {
    "accessorId": Property(STRING, required=True),
    "namespace": Property(STRING, supported=False),
    "partition": Property(STRING, supported=False),
}


def _get_token(client: Consul, args: State) -> State:
    response = client.call("GET", f"{PATH}/{args['accessorId']}", client.datacenter({})).json()
    links = {
        key: [{"id": link["ID"], "name": link["Name"]} for link in response.get(field) or []]
        for key, field in (("policies", "Policies"), ("roles", "Roles"))
    }
    properties = token_properties(response)
    for policy in properties["templatedPolicies"]:
        policy["templateVariables"] = (
            [policy["templateVariables"]] if "templateVariables" in policy else []
        )
    return properties | links | {"id": args["accessorId"]}


def _get_secret(client: Consul, args: State) -> State:
    response = client.call("GET", f"{PATH}/{args['accessorId']}", client.datacenter({})).json()
    accessor = args["accessorId"]
    return {
        "id": accessor,
        "accessorId": accessor,
        "encryptedSecretId": "",
        "pgpKey": "",
        "secretId": response["SecretID"],
    }


FUNCTIONS = (
    Function("consul:index/getAclToken:getAclToken", ACCESSOR_INPUTS, _get_token),
    Function(
        "consul:index/getAclTokenSecretId:getAclTokenSecretId",
        {**ACCESSOR_INPUTS, "pgpKey": Property(STRING, supported=False)},
        _get_secret,
        frozenset({"encryptedSecretId", "secretId"}),
    ),
)
