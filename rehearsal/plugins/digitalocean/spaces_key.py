"""Spaces keys."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import (
    STRING,
    Properties,
    Property,
    State,
    list_of,
    name,
    object_of,
    output,
)
from rehearsal.plugins.resource import Change, Resource

GRANT: Properties = {
    "bucket": Property(STRING, required=True),
    "permission": Property(STRING, required=True),
}


class SpacesKey(Resource[DigitalOcean]):
    """An access key of Spaces, for the buckets of its grants."""

    token = "digitalocean:index/spacesKey:SpacesKey"
    properties: ClassVar[Properties] = {
        "grants": Property(list_of(object_of(GRANT))),
        "name": name(),
        "accessKey": output(STRING),
        "createdAt": output(STRING),
        "secretKey": Property(STRING, input=False, secret=True),
    }

    def create(self, change: Change) -> None:
        with error_context("Error creating Spaces key"):
            key = self.client.call("POST", "/v2/spaces/keys", _body(change.new))["key"]
        change.id = key["access_key"]
        # Only this response has the secret.
        change.outputs["secretKey"] = key["secret_key"]

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/spaces/keys/{resource_id}")
        if response is None:
            return None
        key = response["key"]
        secret = {"secretKey": state["secretKey"]} if "secretKey" in state else {}
        return {
            "grants": [dict(grant) for grant in key["grants"]],
            "name": key["name"],
            "accessKey": key["access_key"],
            "createdAt": key["created_at"],
            **secret,
        }

    def update(self, change: Change) -> None:
        with error_context("Error updating Spaces key"):
            self.client.call("PUT", f"/v2/spaces/keys/{change.id}", _body(change.new))

    def delete(self, change: Change) -> None:
        with error_context("Error deleting Spaces key"):
            self.client.call("DELETE", f"/v2/spaces/keys/{change.id}")


def _body(new: State) -> State:
    return {"name": new["name"], "grants": new.get("grants") or []}
