"""Private networks."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import BOOLEAN, STRING, Properties, Property, State, name, output

EMPTYING_SECONDS = 120.0
"""How long a network may still hold members that are being deleted."""


class Vpc(Resource[DigitalOcean]):
    """A private network."""

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
        with telling("Error creating VPC"):
            change.id = self.client.call("POST", "/v2/vpcs", body)["vpc"]["id"]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/vpcs/{resource_id}")
        if found is None:
            return None
        vpc = found["vpc"]
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
        with telling("Error updating VPC"):
            self.client.call("PUT", f"/v2/vpcs/{change.id}", body)

    def delete(self, change: Change) -> None:
        clock = change.clock.limited(EMPTYING_SECONDS)
        while True:
            try:
                self.client.call("DELETE", f"/v2/vpcs/{change.id}")
                return
            except RestError as error:
                if error.status not in (403, 409):
                    raise PluginError(f"Error deleting VPC: {error}") from error
                clock.pause(f"VPC {change.id} to lose its members: {error}")
