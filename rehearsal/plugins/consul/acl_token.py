"""ACL tokens. Their secrets stay in Consul: only the function ``getAclTokenSecretId`` tells one."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.consul import acl_identities
from rehearsal.plugins.consul.acl_base import ENTERPRISE, Acl, look_for_message
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, list_of, object_of, set_of
from rehearsal.plugins.values import UNKNOWN

PATH = "/v1/acl/token"

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class AclToken(Acl):
    """A token with what it may do."""

    token = "consul:index/aclToken:AclToken"
    noun = "ACL token"
    path = PATH
    key = "AccessorID"
    properties: ClassVar[Properties] = {
        "accessorId": Property(STRING, computed=True, replaces=True),
        "description": Property(STRING),
        "expirationTime": Property(STRING, replaces=True),
        "local": Property(BOOLEAN, replaces=True),
        "nodeIdentities": Property(list_of(object_of(acl_identities.NODE))),
        "policies": Property(set_of(STRING)),
        "roles": Property(set_of(STRING)),
        # In order, as with the official plugin, although Consul returns several in any: then each update may find a change.
        "serviceIdentities": Property(list_of(acl_identities.service(list_of(STRING)))),
        "templatedPolicies": Property(list_of(object_of(acl_identities.TEMPLATED))),
        **ENTERPRISE,
    }

    def check(self, inputs: State) -> list[Failure]:
        text = inputs.get("expirationTime") or UNKNOWN
        if text == UNKNOWN or _is_time(text):
            return []
        return [
            Failure(
                "expirationTime",
                f'expected "expiration_time" to be a valid RFC3339 date, got "{text}"',
            )
        ]

    def content(self, new: State) -> State:
        links = {
            field: [{"Name": item} for item in new.get(key) or []]
            for key, field in (("policies", "Policies"), ("roles", "Roles"))
        }
        plain = {
            "AccessorID": new.get("accessorId", ""),
            "Description": new.get("description", ""),
            "ExpirationTime": new.get("expirationTime"),
            "Local": bool(new.get("local")),
        }
        return plain | links | acl_identities.request(new)

    def found(self, answer: Mapping[str, Any], state: State) -> State:
        return described(answer) | {
            "policies": [link["Name"] for link in answer.get("Policies") or []],
            "roles": [link["Name"] for link in answer.get("Roles") or []],
        }

    def look(self, path: str) -> Any:
        return look_for_message(self.client, path)


def described(answer: Mapping[str, Any]) -> State:
    """What a token's resource and its function tell alike."""
    return {
        "accessorId": answer["AccessorID"],
        "description": answer["Description"],
        "expirationTime": re.sub(r"\.\d+", "", answer.get("ExpirationTime") or ""),
        "local": answer["Local"],
        **acl_identities.found(answer),
    }


def _is_time(text: str) -> bool:
    try:
        return bool(RFC3339.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False
