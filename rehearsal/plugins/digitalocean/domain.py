"""Domains."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, output


class Domain(Resource[DigitalOcean]):
    """A domain whose records DigitalOcean answers."""

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
        with telling("Error creating Domain"):
            change.id = self.client.call("POST", "/v2/domains", body)["domain"]["name"]

    def read(self, resource_id: str, state: State) -> State | None:
        """The address is not told: it is but the first record's."""
        found = self.client.find(f"/v2/domains/{resource_id}")
        if found is None:
            return None
        domain = found["domain"]
        return {
            "name": domain["name"],
            "ttl": domain["ttl"],
            "domainUrn": f"do:domain:{domain['name']}",
        }

    def update(self, change: Change) -> None:
        """Never asked for: every property replaces."""

    def delete(self, change: Change) -> None:
        with telling("Error deleting Domain"):
            self.client.call("DELETE", f"/v2/domains/{change.id}")
