"""ACL tokens. Only the function ``getAclTokenSecretId`` returns the secret of a token."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.consul import acl_identities
from rehearsal.plugins.consul.acl_base import ENTERPRISE, AclObject, find_by_error_message
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    object_of,
    set_of,
)
from rehearsal.plugins.values import UNKNOWN

PATH = "/v1/acl/token"

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class AclToken(AclObject):
    """An ACL token."""

    token = "consul:index/aclToken:AclToken"
    noun = "ACL token"
    path = PATH
    key = "AccessorID"
    properties: ClassVar[Properties] = {
        "accessorId": Property(STRING, computed=True, replaces=True),
        "description": Property(STRING),
        "expirationTime": Property(STRING, replaces=True),
        "local": Property(BOOLEAN, replaces=True),
        "nodeIdentities": Property(list_of(object_of(acl_identities.NODE_IDENTITY))),
        "policies": Property(set_of(STRING)),
        "roles": Property(set_of(STRING)),
        # Ordered, as in the official plugin. Consul may reorder them, which is then a change.
        "serviceIdentities": Property(list_of(acl_identities.service_identity(list_of(STRING)))),
        "templatedPolicies": Property(list_of(object_of(acl_identities.TEMPLATED_POLICY))),
        **ENTERPRISE,
    }

    def check(self, inputs: State) -> list[Failure]:
        text = inputs.get("expirationTime") or UNKNOWN
        if text == UNKNOWN or _is_rfc3339(text):
            return []
        return [
            Failure(
                "expirationTime",
                f'expected "expiration_time" to be a valid RFC3339 date, got "{text}"',
            )
        ]

    def request_body(self, new: State) -> State:
        links = {
            field: [{"Name": item} for item in new.get(key) or []]
            for key, field in (("policies", "Policies"), ("roles", "Roles"))
        }
        fields = {
            "AccessorID": new.get("accessorId", ""),
            "Description": new.get("description", ""),
            "ExpirationTime": new.get("expirationTime"),
            "Local": bool(new.get("local")),
        }
        return fields | links | acl_identities.identities_body(new)

    def to_properties(self, response: Mapping[str, Any], state: State) -> State:
        return token_properties(response) | {
            "policies": [link["Name"] for link in response.get("Policies") or []],
            "roles": [link["Name"] for link in response.get("Roles") or []],
        }

    def find(self, path: str) -> Any:
        return find_by_error_message(self.client, path)


def token_properties(response: Mapping[str, Any]) -> State:
    """Return the properties that the resource and the function getAclToken share."""
    return {
        "accessorId": response["AccessorID"],
        "description": response["Description"],
        "expirationTime": re.sub(r"\.\d+", "", response.get("ExpirationTime") or ""),
        "local": response["Local"],
        **acl_identities.identity_properties(response),
    }


def _is_rfc3339(text: str) -> bool:
    try:
        return bool(RFC3339.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False
