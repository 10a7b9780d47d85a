"""SSH keys of an account."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, output
from rehearsal.plugins.resource import Change, Resource

VISIBLE_TIMEOUT_S = 120.0
"""Time until a new key is visible."""


class SshKey(Resource[DigitalOcean]):
    """A public key for the root user of new droplets."""

    token = "digitalocean:index/sshKey:SshKey"
    properties: ClassVar[Properties] = {
        "name": name(),
        "publicKey": Property(
            STRING,
            required=True,
            replaces=True,
            is_equivalent=lambda old, new: old.strip() == new.strip(),
        ),
        "fingerprint": output(STRING),
    }

    def create(self, change: Change) -> None:
        body = {"name": change.new["name"], "public_key": change.new["publicKey"]}
        with error_context("Error creating SSH Key"):
            change.id = str(self.client.call("POST", "/v2/account/keys", body)["ssh_key"]["id"])
        path = f"/v2/account/keys/{change.id}"
        change.deadline.capped(VISIBLE_TIMEOUT_S).wait_until(
            lambda: self.client.find(path) is not None, f"SSH key {change.id} to appear"
        )

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/account/keys/{resource_id}")
        if response is None:
            return None
        key = response["ssh_key"]
        return {
            "name": key["name"],
            "fingerprint": key["fingerprint"],
            "publicKey": key["public_key"],
        }

    def update(self, change: Change) -> None:
        self.client.call("PUT", f"/v2/account/keys/{change.id}", {"name": change.new["name"]})

    def delete(self, change: Change) -> None:
        with error_context("Error deleting SSH key"):
            self.client.call("DELETE", f"/v2/account/keys/{change.id}")
