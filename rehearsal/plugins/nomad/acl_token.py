"""ACL tokens. Unlike with Consul, the secret id is an output, a secret in the state."""

import re
from typing import ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.durations import format_duration, is_same_duration, parse_duration
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    State,
    name,
    object_of,
    output,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.values import UNKNOWN

PATH = "/v1/acl/token"
ROLE: Properties = {"id": Property(STRING, required=True), "name": Property(STRING, computed=True)}


class AclToken(Resource[Nomad]):
    """A token of the type ``client`` or ``management``."""

    token = "nomad:index/aclToken:AclToken"
    properties: ClassVar[Properties] = {
        "accessorId": output(STRING),
        "createTime": output(STRING),
        "expirationTime": output(STRING),
        # Compared as text, like the official plugin: Nomad returns 1h0m0s for 1h, so every update
        # replaces a token with 1h.
        "expirationTtl": Property(STRING, default="0s", replaces=True),
        "global": Property(BOOLEAN, default=False, replaces=True),
        "name": name(),
        "policies": Property(set_of(STRING)),
        "roles": Property(set_of(object_of(ROLE))),
        "secretId": Property(STRING, input=False, secret=True),
        "type": Property(STRING, required=True),
    }

    def check(self, inputs: State) -> list[Failure]:
        lifetime = inputs["expirationTtl"]
        if lifetime == UNKNOWN or is_same_duration(lifetime, lifetime):
            return []
        return [
            Failure(
                "expirationTtl",
                f'failed to parse expiration_ttl: time: invalid duration "{lifetime}"',
            )
        ]

    def create(self, change: Change) -> None:
        with error_context("error creating ACL token"):
            token = self.client.call("PUT", PATH, self._request_body(change.new))
        change.id = token["AccessorID"]

    def read(self, resource_id: str, state: State) -> State | None:
        token = self.client.find(f"{PATH}/{resource_id}")
        if token is None:
            return None
        return {
            "accessorId": token["AccessorID"],
            "createTime": token["CreateTime"].replace("T", " ").replace("Z", " +0000 UTC"),
            "expirationTime": re.sub(r"\.\d+", "", token.get("ExpirationTime") or ""),
            "expirationTtl": format_duration(parse_duration(token.get("ExpirationTTL") or "0s")),
            "global": token["Global"],
            "name": token["Name"],
            "policies": token["Policies"] or [],
            "roles": [{"id": role["ID"], "name": role["Name"]} for role in token["Roles"] or []],
            "secretId": token["SecretID"],
            "type": token["Type"],
        }

    def update(self, change: Change) -> None:
        with error_context(f'error updating ACL token "{change.id}"'):
            body = {**self._request_body(change.new), "AccessorID": change.id}
            self.client.call("PUT", f"{PATH}/{change.id}", body)

    def delete(self, change: Change) -> None:
        with error_context(f'error deleting ACL token "{change.id}"'):
            self.client.call("DELETE", f"{PATH}/{change.id}")

    def _request_body(self, new: State) -> State:
        lifetime = parse_duration(new["expirationTtl"])
        return {
            "Name": new["name"],
            "Type": new["type"],
            "Policies": new.get("policies") or [],
            "Roles": [{"ID": role["id"]} for role in new.get("roles") or []],
            "Global": new["global"],
            "ExpirationTTL": format_duration(lifetime) if lifetime else "",
        }
