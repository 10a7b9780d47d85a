"""Domains."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, output
from rehearsal.plugins.resource import Change, Resource


class Domain(Resource[DigitalOcean]):
    """A domain whose DNS DigitalOcean serves."""

    token = "digitalocean:index/domain:Domain"
    properties: ClassVar[Properties] = {
        "ipAddress": Property(STRING, replaces=True),
        "name": Property(STRING, required=True, replaces=True),
        "domainUrn": output(STRING),
        "ttl": output(INTEGER),
    }

    def create(self, change: Change) -> None:
        body = {"name": change.new["name"]}
        if change.new.get("ipAddress"):
            body["ip_address"] = change.new["ipAddress"]
        with error_context("Error creating Domain"):
            change.id = self.client.call("POST", "/v2/domains", body)["domain"]["name"]

    def read(self, resource_id: str, state: State) -> State | None:
        """Read the domain. ``ipAddress`` is not returned: it only creates the first record."""
        response = self.client.find(f"/v2/domains/{resource_id}")
        if response is None:
            return None
        domain = response["domain"]
        return {
            "name": domain["name"],
            "ttl": domain["ttl"],
            "domainUrn": f"do:domain:{domain['name']}",
        }

    def update(self, change: Change) -> None:
        """Do nothing: a change of any property replaces the domain."""

    def delete(self, change: Change) -> None:
        with error_context("Error deleting Domain"):
            self.client.call("DELETE", f"/v2/domains/{change.id}")
