"""Droplets."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.deadline import Clock
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.tagging import retag
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.resource import Change, Resource, Timeouts
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import BOOLEAN, INTEGER, NUMBER, STRING, Properties, Property, State, name, object_of, output, set_of


def _hashed(user_data: str) -> str:
    """The state keeps only this of user_data; SHA-1 as in the official plugin, no secret is protected by it."""
    return hashlib.sha1(user_data.encode(), usedforsecurity=False).hexdigest()


BACKUP_POLICY = {"hour": Property(INTEGER), "plan": Property(STRING), "weekday": Property(STRING)}

GONE_SECONDS = 60.0
"""How long a deleted droplet may still be seen."""


class Droplet(Resource[DigitalOcean]):
    """A machine."""

    token = "digitalocean:index/droplet:Droplet"
    timeouts = Timeouts(create=3600, update=3600, delete=60)
    properties: ClassVar[Properties] = {
        "backupPolicy": Property(object_of(BACKUP_POLICY)),
        "backups": Property(BOOLEAN, default=False),
        "dropletAgent": Property(BOOLEAN, replaces=True),
        "gracefulShutdown": Property(BOOLEAN, default=False),
        "image": Property(STRING, required=True, replaces=True),
        "ipv6": Property(BOOLEAN, default=False),
        "ipv6Address": Property(STRING, computed=True, supported=False),
        "monitoring": Property(BOOLEAN, default=False, replaces=True),
        "name": name(),
        "privateNetworking": Property(BOOLEAN, computed=True),
        "publicNetworking": Property(BOOLEAN, computed=True, replaces=True),
        "region": Property(STRING, computed=True, replaces=True, stored=str.lower),
        "resizeDisk": Property(BOOLEAN, default=True),
        "size": Property(STRING, required=True, stored=str.lower),
        "sshKeys": Property(set_of(STRING), replaces=True),
        "tags": Property(set_of(STRING)),
        "userData": Property(STRING, replaces=True, stored=_hashed),
        "volumeIds": Property(set_of(STRING), computed=True, supported=False),
        "vpcUuid": Property(STRING, computed=True, replaces=True),
        "createdAt": output(STRING),
        "disk": output(INTEGER),
        "dropletUrn": output(STRING),
        "ipv4Address": output(STRING),
        "ipv4AddressPrivate": output(STRING),
        "locked": output(BOOLEAN),
        "memory": output(INTEGER),
        "priceHourly": output(NUMBER),
        "priceMonthly": output(NUMBER),
        "status": output(STRING),
        "vcpus": output(INTEGER),
    }

    def check(self, inputs: State) -> list[Failure]:
        if inputs.get("backupPolicy") and not inputs.get("backups"):
            return [
                Failure("backupPolicy", "backup_policy can only be set when backups are enabled")
            ]
        return []

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        """IPv6 can be added to a droplet but never taken away."""
        removed = bool(old.get("ipv6")) and not new.get("ipv6")
        return [
            Difference(item.path, item.change, True) if removed and item.key == "ipv6" else item
            for item in found
        ]

    def create(self, change: Change) -> None:
        with telling("Error creating droplet"):
            droplet = self.client.call("POST", "/v2/droplets", _request(change.new))["droplet"]
        change.id = str(droplet["id"])
        self._wait(change.id, "active", ("new",), change.clock)

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/droplets/{resource_id}")
        return None if found is None else _state(found["droplet"], state)

    def update(self, change: Change) -> None:
        new, old = change.new, change.old
        if "size" in change.changed:
            self._resize(change)
        if "name" in change.changed:
            self._action(change, {"type": "rename", "name": new["name"]}, wait=False)
            self._until(
                change, f"be named '{new['name']}'", lambda droplet: droplet["name"] == new["name"]
            )
        if "backups" in change.changed or "backupPolicy" in change.changed:
            self._set_backups(change)
        for key, feature in (("ipv6", "ipv6"), ("privateNetworking", "private_networking")):
            if key in change.changed and new.get(key):
                self._action(change, {"type": f"enable_{feature}"}, wait=False)
                self._until(
                    change,
                    f"have {feature}",
                    lambda droplet, feature=feature: feature in droplet["features"],
                )
        if "tags" in change.changed:
            retag(self.client, "droplet", change.id, old.get("tags") or [], new.get("tags") or [])

    def delete(self, change: Change) -> None:
        path = f"/v2/droplets/{change.id}"
        change.clock.until(
            lambda: (str(self.client.call("GET", path)["droplet"]["locked"]), None),
            ("True",),
            "False",
            f"the lock of droplet {change.id}",
        )
        if change.old.get("gracefulShutdown"):
            self.client.call("POST", f"{path}/actions", {"type": "shutdown"})
            self._wait(change.id, "off", ("active",), change.clock)
        try:
            self.client.call("DELETE", path)
        except RestError as error:
            if error.status != 404:
                raise PluginError(f"Error deleting droplet: {error}") from error
        clock = change.clock.limited(GONE_SECONDS)
        while self.client.find(path) is not None:
            clock.pause(f"droplet {change.id} to be destroyed")

    def _wait(self, droplet_id: str, target: str, pending: tuple[str, ...], clock: Clock) -> None:
        def look() -> tuple[str, None]:
            droplet = self.client.call("GET", f"/v2/droplets/{droplet_id}")["droplet"]
            return (pending[0] if droplet["locked"] else droplet["status"]), None

        clock.until(look, pending, target, f"droplet {droplet_id}")

    def _until(self, change: Change, what: str, test: Any) -> None:
        while not test(self.client.call("GET", f"/v2/droplets/{change.id}")["droplet"]):
            change.clock.pause(f"droplet {change.id} to {what}")

    def _action(self, change: Change, body: Mapping[str, Any], wait: bool = True) -> None:
        action = self.client.call("POST", f"/v2/droplets/{change.id}/actions", body)["action"]
        if wait:
            self.client.finish(action, change.clock)

    def _resize(self, change: Change) -> None:
        """Powered off meanwhile; a failed resize leaves the droplet powered on."""
        try:
            self._action(change, {"type": "power_off"}, wait=False)
        except RestError as error:
            if "Droplet is already powered off" not in str(error):
                raise
        self._wait(change.id, "off", ("active",), change.clock)
        try:
            self._action(
                change,
                {"type": "resize", "size": change.new["size"], "disk": change.new["resizeDisk"]},
            )
        finally:
            self._action(change, {"type": "power_on"}, wait=False)
            self._wait(change.id, "active", ("off",), change.clock)

    def _set_backups(self, change: Change) -> None:
        policy = change.new.get("backupPolicy")
        with_policy = {"backup_policy": policy} if policy else {}
        if not change.new.get("backups"):
            self._action(change, {"type": "disable_backups"})
        elif "backups" in change.changed:
            self._action(change, {"type": "enable_backups", **with_policy})
        elif policy:
            self._action(change, {"type": "change_backup_policy", **with_policy})


def _request(new: State) -> dict[str, Any]:
    image = new["image"]
    optional = {
        "user_data": new.get("userData"),
        "vpc_uuid": new.get("vpcUuid"),
        "with_droplet_agent": new.get("dropletAgent"),
        "backup_policy": new.get("backupPolicy"),
        "public_networking": new.get("publicNetworking"),
    }
    return {
        "name": new["name"],
        "region": new.get("region", ""),
        "size": new["size"],
        "image": int(image) if image.isdigit() else image,
        "ssh_keys": [int(key) if key.isdigit() else key for key in new.get("sshKeys") or []]
        or None,
        "backups": new["backups"],
        "ipv6": new["ipv6"],
        "private_networking": bool(new.get("privateNetworking")),
        "monitoring": new["monitoring"],
        "tags": new.get("tags") or [],
    } | {key: value for key, value in optional.items() if value is not None}


def _state(droplet: Mapping[str, Any], state: State) -> State:
    """The image is read back on an import only: a slug may point to a newer image by now."""
    image = droplet.get("image") or {}
    imported = (
        {}
        if state
        else {
            "image": image.get("slug") or str(image.get("id", "")),
            "resizeDisk": True,
            "gracefulShutdown": False,
        }
    )
    features = droplet["features"]
    public = address(droplet, "v4", "public")
    return imported | {
        "name": droplet["name"],
        "dropletUrn": f"do:droplet:{droplet['id']}",
        "region": droplet["region"]["slug"],
        "size": droplet["size"]["slug"],
        "priceHourly": droplet["size"]["price_hourly"],
        "priceMonthly": droplet["size"]["price_monthly"],
        "disk": droplet["disk"],
        "vcpus": droplet["vcpus"],
        "memory": droplet["memory"],
        "status": droplet["status"],
        "locked": droplet["locked"],
        "createdAt": droplet["created_at"],
        "vpcUuid": droplet.get("vpc_uuid", ""),
        "ipv4Address": public,
        "ipv4AddressPrivate": address(droplet, "v4", "private"),
        "ipv6Address": address(droplet, "v6", "public").lower(),
        "publicNetworking": bool(public),
        "backups": "backups" in features,
        "ipv6": "ipv6" in features,
        "privateNetworking": "private_networking" in features,
        "monitoring": "monitoring" in features,
        "volumeIds": droplet["volume_ids"],
        "tags": droplet["tags"],
    }


def address(droplet: Mapping[str, Any], version: str, kind: str) -> str:
    """The droplet's first address of a kind (public or private), empty when it has none."""
    return next(
        (str(item["ip_address"]) for item in droplet["networks"][version] if item["type"] == kind),
        "",
    )
