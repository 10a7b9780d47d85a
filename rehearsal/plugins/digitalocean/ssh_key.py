"""SSH keys of the account."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, output

APPEARING_SECONDS = 120.0
"""How long a new key may not be found yet."""


class SshKey(Resource[DigitalOcean]):
    """A public key that droplets can be made with."""

    token = "digitalocean:index/sshKey:SshKey"
    properties: ClassVar[Properties] = {
        "name": name(),
        "publicKey": Property(
            STRING, required=True, replaces=True, same=lambda old, new: old.strip() == new.strip()
        ),
        "fingerprint": output(STRING),
    }

    def create(self, change: Change) -> None:
        body = {"name": change.new["name"], "public_key": change.new["publicKey"]}
        with telling("Error creating SSH Key"):
            change.id = str(self.client.call("POST", "/v2/account/keys", body)["ssh_key"]["id"])
        clock = change.clock.limited(APPEARING_SECONDS)
        while self.client.find(f"/v2/account/keys/{change.id}") is None:
            clock.pause(f"SSH key {change.id} to appear")

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/account/keys/{resource_id}")
        if found is None:
            return None
        key = found["ssh_key"]
        return {
            "name": key["name"],
            "fingerprint": key["fingerprint"],
            "publicKey": key["public_key"],
        }

    def update(self, change: Change) -> None:
        self.client.call("PUT", f"/v2/account/keys/{change.id}", {"name": change.new["name"]})

    def delete(self, change: Change) -> None:
        with telling("Error deleting SSH key"):
            self.client.call("DELETE", f"/v2/account/keys/{change.id}")
