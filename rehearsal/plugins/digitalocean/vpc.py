"""VPC networks."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, name, output
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError

EMPTY_TIMEOUT_S = 120.0
"""Time for members that are being deleted to leave the network."""


class Vpc(Resource[DigitalOcean]):
    """A VPC network."""

    token = "digitalocean:index/vpc:Vpc"
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "ipRange": Property(STRING, computed=True, replaces=True),
        "name": name(),
        "region": Property(STRING, required=True, replaces=True),
        "createdAt": output(STRING),
        "default": output(BOOLEAN),
        "vpcUrn": output(STRING),
    }

    def create(self, change: Change) -> None:
        new = change.new
        optional = {"description": new.get("description"), "ip_range": new.get("ipRange")}
        body = {"name": new["name"], "region": new["region"]} | {
            key: value for key, value in optional.items() if value
        }
        with error_context("Error creating VPC"):
            change.id = self.client.call("POST", "/v2/vpcs", body)["vpc"]["id"]

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/vpcs/{resource_id}")
        if response is None:
            return None
        vpc = response["vpc"]
        return {
            "name": vpc["name"],
            "region": vpc["region"],
            "description": vpc.get("description", ""),
            "ipRange": vpc["ip_range"],
            "vpcUrn": vpc["urn"],
            "default": vpc["default"],
            "createdAt": vpc["created_at"],
        }

    def update(self, change: Change) -> None:
        body = {
            "name": change.new["name"],
            "description": change.new.get("description", ""),
            "default": change.old.get("default", False),
        }
        with error_context("Error updating VPC"):
            self.client.call("PUT", f"/v2/vpcs/{change.id}", body)

    def delete(self, change: Change) -> None:
        with error_context("Error deleting VPC"):
            change.deadline.capped(EMPTY_TIMEOUT_S).retry(
                lambda: self.client.call("DELETE", f"/v2/vpcs/{change.id}"),
                lambda error: isinstance(error, RestError) and error.status in (403, 409),
                f"VPC {change.id} to become empty",
            )
