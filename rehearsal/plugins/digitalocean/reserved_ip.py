"""Reserved IPs and their assignment to droplets."""

import secrets
from typing import ClassVar

from rehearsal.plugins.deadline import Deadline
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, output
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError

FINAL_STATUSES = ("completed", "errored")


class ReservedIp(Resource[DigitalOcean]):
    """A public IPv4 address that may be assigned to a droplet."""

    token = "digitalocean:index/reservedIp:ReservedIp"
    properties: ClassVar[Properties] = {
        "dropletId": Property(INTEGER),
        "ipAddress": Property(STRING, computed=True, supported=False),
        "region": Property(STRING, required=True, replaces=True, to_state=str.lower),
        "reservedIpUrn": output(STRING),
    }

    def create(self, change: Change) -> None:
        with error_context("Error creating reserved IP"):
            change.id = self.client.call(
                "POST", "/v2/reserved_ips", {"region": change.new["region"]}
            )["reserved_ip"]["ip"]
        if change.new.get("dropletId"):
            assign(self.client, change.id, change.new["dropletId"], change.deadline)

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/reserved_ips/{resource_id}")
        if response is None:
            return None
        reserved = response["reserved_ip"]
        droplet = reserved.get("droplet")
        return {
            "ipAddress": reserved["ip"],
            "region": reserved["region"]["slug"],
            "dropletId": droplet["id"] if droplet else None,
            "reservedIpUrn": f"do:reservedip:{reserved['ip']}",
        }

    def update(self, change: Change) -> None:
        if change.new.get("dropletId"):
            assign(self.client, change.id, change.new["dropletId"], change.deadline)
        else:
            unassign(self.client, change.id, change.deadline)

    def delete(self, change: Change) -> None:
        if change.old.get("dropletId"):
            unassign(self.client, change.id, change.deadline)
        self.client.call("DELETE", f"/v2/reserved_ips/{change.id}")


class ReservedIpAssignment(Resource[DigitalOcean]):
    """The assignment of a reserved IP to a droplet."""

    token = "digitalocean:index/reservedIpAssignment:ReservedIpAssignment"
    properties: ClassVar[Properties] = {
        "dropletId": Property(INTEGER, required=True, replaces=True),
        "ipAddress": Property(STRING, required=True, replaces=True),
    }

    def create(self, change: Change) -> None:
        address, droplet = change.new["ipAddress"], change.new["dropletId"]
        assign(self.client, address, droplet, change.deadline)
        change.id = f"{droplet}-{address}-{secrets.token_hex(8)}"

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError("import a reserved IP assignment through its reserved IP")
        return {} if self._is_assigned(state) else None

    def update(self, change: Change) -> None:
        """Do nothing: a change of any property replaces the assignment."""

    def delete(self, change: Change) -> None:
        if self._is_assigned(change.old):
            unassign(self.client, change.old["ipAddress"], change.deadline)

    def _is_assigned(self, state: State) -> bool:
        response = self.client.find(f"/v2/reserved_ips/{state['ipAddress']}")
        droplet = response and response["reserved_ip"].get("droplet")
        return bool(droplet and droplet["id"] == state["dropletId"])


def assign(client: DigitalOcean, address: str, droplet: int, deadline: Deadline) -> None:
    """Assign ``address`` to a droplet, after the droplet's actions have ended."""
    path = f"/v2/droplets/{droplet}/actions"

    def is_idle() -> bool:
        actions = client.call("GET", path, query={"per_page": "50"})["actions"]
        return all(action["status"] in FINAL_STATUSES for action in actions)

    deadline.wait_until(is_idle, f"droplet {droplet} to finish its actions")
    _run_action(client, address, {"type": "assign", "droplet_id": droplet}, deadline)


def unassign(client: DigitalOcean, address: str, deadline: Deadline) -> None:
    """Unassign ``address``. The API returns 422 if it is not assigned."""
    try:
        _run_action(client, address, {"type": "unassign"}, deadline)
    except RestError as error:
        if error.status != 422:
            raise


def _run_action(client: DigitalOcean, address: str, body: State, deadline: Deadline) -> None:
    path = f"/v2/reserved_ips/{address}/actions"
    action = client.call("POST", path, body)["action"]
    deadline.wait_for_state(
        lambda: client.call("GET", f"{path}/{action['id']}")["action"]["status"],
        ("in-progress",),
        "completed",
        f"the action on reserved IP {address}",
    )
