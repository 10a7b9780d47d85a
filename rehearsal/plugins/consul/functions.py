"""What a program can ask of Consul's ACL system."""

from rehearsal.plugins.consul.acl_token import PATH, described
from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.resource import Function
from rehearsal.plugins.properties import STRING, Properties, Property, State

ACCESSOR: Properties = {
    "accessorId": Property(STRING, required=True),
    "namespace": Property(STRING, supported=False),
    "partition": Property(STRING, supported=False),
}


def _token(client: Consul, args: State) -> State:
    answer = client.call("GET", f"{PATH}/{args['accessorId']}", client.datacenter({})).json()
    links = {
        key: [{"id": link["ID"], "name": link["Name"]} for link in answer.get(field) or []]
        for key, field in (("policies", "Policies"), ("roles", "Roles"))
    }
    found = described(answer)
    for policy in found["templatedPolicies"]:
        policy["templateVariables"] = (
            [policy["templateVariables"]] if "templateVariables" in policy else []
        )
    return found | links | {"id": args["accessorId"]}


def _secret(client: Consul, args: State) -> State:
    answer = client.call("GET", f"{PATH}/{args['accessorId']}", client.datacenter({})).json()
    accessor = args["accessorId"]
    return {
        "id": accessor,
        "accessorId": accessor,
        "encryptedSecretId": "",
        "pgpKey": "",
        "secretId": answer["SecretID"],
    }


FUNCTIONS = (
    Function("consul:index/getAclToken:getAclToken", ACCESSOR, _token),
    Function(
        "consul:index/getAclTokenSecretId:getAclTokenSecretId",
        {**ACCESSOR, "pgpKey": Property(STRING, supported=False)},
        _secret,
        frozenset({"encryptedSecretId", "secretId"}),
    ),
)
