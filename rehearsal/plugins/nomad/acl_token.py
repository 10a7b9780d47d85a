"""ACL tokens. Unlike Consul's, a token's secret is an output, kept in the state as a secret."""

import re
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.durations import go_duration, nanoseconds, same_duration
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.nomad.api import Nomad
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, name, object_of, output, set_of
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
        # Compared as text: Nomad says 1h0m0s of 1h, which then replaces the token at each update.
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
        if lifetime == UNKNOWN or same_duration(lifetime, lifetime):
            return []
        return [
            Failure(
                "expirationTtl",
                f'failed to parse expiration_ttl: time: invalid duration "{lifetime}"',
            )
        ]

    def create(self, change: Change) -> None:
        change.id = self._put("creating ACL token", PATH, self._content(change.new))["AccessorID"]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"{PATH}/{resource_id}")
        if found is None:
            return None
        return {
            "accessorId": found["AccessorID"],
            "createTime": found["CreateTime"].replace("T", " ").replace("Z", " +0000 UTC"),
            "expirationTime": re.sub(r"\.\d+", "", found.get("ExpirationTime") or ""),
            "expirationTtl": go_duration(nanoseconds(found.get("ExpirationTTL") or "0s")),
            "global": found["Global"],
            "name": found["Name"],
            "policies": found["Policies"] or [],
            "roles": [{"id": role["ID"], "name": role["Name"]} for role in found["Roles"] or []],
            "secretId": found["SecretID"],
            "type": found["Type"],
        }

    def update(self, change: Change) -> None:
        self._put(
            f'updating ACL token "{change.id}"',
            f"{PATH}/{change.id}",
            {**self._content(change.new), "AccessorID": change.id},
        )

    def delete(self, change: Change) -> None:
        try:
            self.client.call("DELETE", f"{PATH}/{change.id}")
        except PluginError as error:
            raise PluginError(f'error deleting ACL token "{change.id}": {error}') from error

    def _content(self, new: State) -> State:
        lifetime = nanoseconds(new["expirationTtl"])
        return {
            "Name": new["name"],
            "Type": new["type"],
            "Policies": new.get("policies") or [],
            "Roles": [{"ID": role["id"]} for role in new.get("roles") or []],
            "Global": new["global"],
            "ExpirationTTL": go_duration(lifetime) if lifetime else "",
        }

    def _put(self, doing: str, path: str, body: State) -> Any:
        try:
            return self.client.call("PUT", path, body)
        except PluginError as error:
            raise PluginError(f"error {doing}: {error}") from error
