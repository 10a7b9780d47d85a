"""Droplets."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.tagging import retag
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    Properties,
    Property,
    State,
    name,
    object_of,
    output,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource, Timeouts
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.values import resolved_or_none


def _sha1(user_data: str) -> str:
    """Return the hash that the state stores instead of user_data, as in the official plugin."""
    return hashlib.sha1(user_data.encode(), usedforsecurity=False).hexdigest()


BACKUP_POLICY = {"hour": Property(INTEGER), "plan": Property(STRING), "weekday": Property(STRING)}

DESTROY_TIMEOUT_S = 60.0
"""Time until a deleted droplet disappears from the API."""


class Droplet(Resource[DigitalOcean]):
    """A droplet."""

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
        "region": Property(STRING, computed=True, replaces=True, to_state=str.lower),
        "resizeDisk": Property(BOOLEAN, default=True),
        "size": Property(STRING, required=True, to_state=str.lower),
        "sshKeys": Property(set_of(STRING), replaces=True),
        "tags": Property(set_of(STRING)),
        "userData": Property(STRING, replaces=True, to_state=_sha1),
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

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Replace the droplet to remove IPv6: the API can only add it."""
        removes_ipv6 = bool(old.get("ipv6")) and not resolved_or_none(new.get("ipv6"))
        return [
            replace(item, replaces=True) if removes_ipv6 and item.key == "ipv6" else item
            for item in differences
        ]

    def create(self, change: Change) -> None:
        with error_context("Error creating droplet"):
            droplet = self.client.call("POST", "/v2/droplets", _request_body(change.new))["droplet"]
        change.id = str(droplet["id"])
        self._wait_for_status(change, "active", "new")

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/droplets/{resource_id}")
        return None if response is None else _properties(response["droplet"], state)

    def update(self, change: Change) -> None:
        new, old = change.new, change.old
        if "size" in change.changed:
            self._resize(change)
        if "name" in change.changed:
            self._run_action(change, {"type": "rename", "name": new["name"]}, wait=False)
            self._wait_until(
                change, f"be named '{new['name']}'", lambda droplet: droplet["name"] == new["name"]
            )
        if "backups" in change.changed or "backupPolicy" in change.changed:
            self._set_backups(change)
        for key, feature in (("ipv6", "ipv6"), ("privateNetworking", "private_networking")):
            if key in change.changed and new.get(key):
                self._enable_feature(change, feature)
        if "tags" in change.changed:
            retag(self.client, "droplet", change.id, old.get("tags") or [], new.get("tags") or [])

    def delete(self, change: Change) -> None:
        path = f"/v2/droplets/{change.id}"
        self._wait_until(change, "be unlocked", lambda droplet: not droplet["locked"])
        if change.old.get("gracefulShutdown"):
            self.client.call("POST", f"{path}/actions", {"type": "shutdown"})
            self._wait_for_status(change, "off", "active")
        with error_context("Error deleting droplet"):
            self.client.delete(path)
        change.deadline.capped(DESTROY_TIMEOUT_S).wait_until(
            lambda: self.client.find(path) is None, f"droplet {change.id} to be destroyed"
        )

    def _get(self, droplet_id: str) -> Any:
        return self.client.call("GET", f"/v2/droplets/{droplet_id}")["droplet"]

    def _wait_for_status(self, change: Change, target: str, pending: str) -> None:
        """Wait for a status. A locked droplet counts as ``pending``, whatever its status."""

        def get_state() -> str:
            droplet = self._get(change.id)
            return pending if droplet["locked"] else str(droplet["status"])

        change.deadline.wait_for_state(get_state, (pending,), target, f"droplet {change.id}")

    def _wait_until(self, change: Change, what: str, condition: Callable[[Any], bool]) -> None:
        change.deadline.wait_until(
            lambda: condition(self._get(change.id)), f"droplet {change.id} to {what}"
        )

    def _run_action(self, change: Change, body: Mapping[str, Any], wait: bool = True) -> None:
        action = self.client.call("POST", f"/v2/droplets/{change.id}/actions", body)["action"]
        if wait:
            self.client.wait_for_action(action, change.deadline)

    def _enable_feature(self, change: Change, feature: str) -> None:
        self._run_action(change, {"type": f"enable_{feature}"}, wait=False)
        self._wait_until(change, f"have {feature}", lambda droplet: feature in droplet["features"])

    def _resize(self, change: Change) -> None:
        """Power off, resize and power on again, even if the resize fails."""
        try:
            self._run_action(change, {"type": "power_off"}, wait=False)
        except RestError as error:
            if "Droplet is already powered off" not in str(error):
                raise
        self._wait_for_status(change, "off", "active")
        try:
            self._run_action(
                change,
                {"type": "resize", "size": change.new["size"], "disk": change.new["resizeDisk"]},
            )
        finally:
            self._run_action(change, {"type": "power_on"}, wait=False)
            self._wait_for_status(change, "active", "off")

    def _set_backups(self, change: Change) -> None:
        policy = change.new.get("backupPolicy")
        with_policy = {"backup_policy": policy} if policy else {}
        if not change.new.get("backups"):
            self._run_action(change, {"type": "disable_backups"})
        elif "backups" in change.changed:
            self._run_action(change, {"type": "enable_backups", **with_policy})
        elif policy:
            self._run_action(change, {"type": "change_backup_policy", **with_policy})


def _request_body(new: State) -> dict[str, Any]:
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


def _properties(droplet: Mapping[str, Any], state: State) -> State:
    """Return the droplet's properties.

    The image is returned for an import only: a slug may refer to a newer image by now.
    """
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
    public_ipv4 = address(droplet, "v4", "public")
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
        "ipv4Address": public_ipv4,
        "ipv4AddressPrivate": address(droplet, "v4", "private"),
        "ipv6Address": address(droplet, "v6", "public").lower(),
        "publicNetworking": bool(public_ipv4),
        "backups": "backups" in features,
        "ipv6": "ipv6" in features,
        "privateNetworking": "private_networking" in features,
        "monitoring": "monitoring" in features,
        "volumeIds": droplet["volume_ids"],
        "tags": droplet["tags"],
    }


def address(droplet: Mapping[str, Any], version: str, kind: str) -> str:
    """Return the droplet's first ``public`` or ``private`` address, empty if it has none."""
    return next(
        (str(item["ip_address"]) for item in droplet["networks"][version] if item["type"] == kind),
        "",
    )
