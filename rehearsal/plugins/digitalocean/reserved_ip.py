"""Reserved addresses, and where they point."""

import secrets
from typing import ClassVar

from rehearsal.plugins.deadline import Clock
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, output

ENDED = ("completed", "errored")


class ReservedIp(Resource[DigitalOcean]):
    """A public address that outlives the droplet it points to."""

    token = "digitalocean:index/reservedIp:ReservedIp"
    properties: ClassVar[Properties] = {
        "dropletId": Property(INTEGER),
        "ipAddress": Property(STRING, computed=True, supported=False),
        "region": Property(STRING, required=True, replaces=True, stored=str.lower),
        "reservedIpUrn": output(STRING),
    }

    def create(self, change: Change) -> None:
        with telling("Error creating reserved IP"):
            change.id = self.client.call(
                "POST", "/v2/reserved_ips", {"region": change.new["region"]}
            )["reserved_ip"]["ip"]
        if change.new.get("dropletId"):
            assign(self.client, change.id, change.new["dropletId"], change.clock)

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/reserved_ips/{resource_id}")
        if found is None:
            return None
        reserved = found["reserved_ip"]
        droplet = reserved.get("droplet")
        return {
            "ipAddress": reserved["ip"],
            "region": reserved["region"]["slug"],
            "dropletId": droplet["id"] if droplet else None,
            "reservedIpUrn": f"do:reservedip:{reserved['ip']}",
        }

    def update(self, change: Change) -> None:
        if change.new.get("dropletId"):
            assign(self.client, change.id, change.new["dropletId"], change.clock)
        else:
            unassign(self.client, change.id, change.clock)

    def delete(self, change: Change) -> None:
        if change.old.get("dropletId"):
            unassign(self.client, change.id, change.clock)
        self.client.call("DELETE", f"/v2/reserved_ips/{change.id}")


class ReservedIpAssignment(Resource[DigitalOcean]):
    """A reserved address pointing to a droplet."""

    token = "digitalocean:index/reservedIpAssignment:ReservedIpAssignment"
    properties: ClassVar[Properties] = {
        "dropletId": Property(INTEGER, required=True, replaces=True),
        "ipAddress": Property(STRING, required=True, replaces=True),
    }

    def create(self, change: Change) -> None:
        address, droplet = change.new["ipAddress"], change.new["dropletId"]
        assign(self.client, address, droplet, change.clock)
        change.id = f"{droplet}-{address}-{secrets.token_hex(8)}"

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError("import a reserved IP assignment through its reserved IP")
        found = self.client.find(f"/v2/reserved_ips/{state['ipAddress']}")
        droplet = found and found["reserved_ip"].get("droplet")
        return {} if droplet and droplet["id"] == state["dropletId"] else None

    def update(self, change: Change) -> None:
        """Never asked for: every property replaces."""

    def delete(self, change: Change) -> None:
        found = self.client.find(f"/v2/reserved_ips/{change.old['ipAddress']}")
        droplet = found and found["reserved_ip"].get("droplet")
        if droplet and droplet["id"] == change.old["dropletId"]:
            unassign(self.client, change.old["ipAddress"], change.clock)


def assign(client: DigitalOcean, address: str, droplet: int, clock: Clock) -> None:
    """Point ``address`` to a droplet, once the droplet has nothing else in progress."""
    path = f"/v2/droplets/{droplet}/actions"
    while any(
        action["status"] not in ENDED
        for action in client.call("GET", path, query={"per_page": "50"})["actions"]
    ):
        clock.pause(f"droplet {droplet} to finish its actions")
    _act(client, address, {"type": "assign", "droplet_id": droplet}, clock)


def unassign(client: DigitalOcean, address: str, clock: Clock) -> None:
    """Point ``address`` nowhere; the API's 422 means that it already does."""
    try:
        _act(client, address, {"type": "unassign"}, clock)
    except RestError as error:
        if error.status != 422:
            raise


def _act(client: DigitalOcean, address: str, body: State, clock: Clock) -> None:
    action = client.call("POST", f"/v2/reserved_ips/{address}/actions", body)["action"]

    def look() -> tuple[str, None]:
        return client.call("GET", f"/v2/reserved_ips/{address}/actions/{action['id']}")["action"][
            "status"
        ], None

    clock.until(look, ("in-progress",), "completed", f"the action on reserved IP {address}")
