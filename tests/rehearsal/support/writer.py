"""A client that creates, changes and deletes its own resources, and records each success."""

import random
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rehearsal.support.served import ApiClient

SPEC = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
MAX_PER_TYPE = 12


@dataclass
class Ledger:
    """The acknowledged changes."""

    existing: dict[tuple[str, Any], Any] = field(default_factory=dict)
    """Path of the list and id of each existing object -> its tags."""
    deleted: set[tuple[str, Any]] = field(default_factory=set)
    acknowledged: int = 0


class Writer:
    """Sends one request after another, and records the result of each in its ledger."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.ledger = Ledger()
        self._random = random.Random(number)
        self._count = 0

    def step(self, api: ApiClient) -> None:
        """Send one request.

        Raises:
            requests.ConnectionError: the result is unknown; the ledger has no entry for the object.
        """
        kind = self._random.choice(
            [
                "droplets",
                "tags",
                "vpcs",
                "account/keys",
                "domains",
                "tagged",
                "projects",
                "reserved_ips",
                "firewalls",
            ]
        )
        own = [key for key in self.ledger.existing if key[0] == kind]
        if kind == "tagged":
            self._tag(api)
        elif len(own) >= MAX_PER_TYPE or (own and self._random.random() < 0.4):
            self._delete(api, self._random.choice(own))
        else:
            self._create(api, kind)

    def _create(self, api: ApiClient, kind: str) -> None:
        self._count += 1
        name = f"{self.name}n{self._count}"
        body, key, identifier = {
            "droplets": ({"name": name, **SPEC}, "droplet", "id"),
            "tags": ({"name": name}, "tag", "name"),
            "vpcs": ({"name": name, "region": "nyc3"}, "vpc", "id"),
            "account/keys": ({"name": name, "public_key": _public_key()}, "ssh_key", "id"),
            "domains": ({"name": f"{name}.example"}, "domain", "name"),
            "projects": ({"name": name, "purpose": "Other"}, "project", "id"),
            "reserved_ips": ({"region": "nyc3"}, "reserved_ip", "ip"),
            "firewalls": (
                {
                    "name": name,
                    "inbound_rules": [
                        {"protocol": "icmp", "sources": {"addresses": ["0.0.0.0/0"]}}
                    ],
                },
                "firewall",
                "id",
            ),
        }[kind]
        status, response = api("POST", f"/v2/{kind}", body)
        assert status in (201, 202), (kind, status, response)
        self.ledger.existing[kind, response[key][identifier]] = set()
        self.ledger.acknowledged += 1

    def _delete(self, api: ApiClient, key: tuple[str, Any]) -> None:
        kind, id = key
        tags = self.ledger.existing.pop(key)
        if kind == "tags":  # tags can always be deleted
            for (other, _), droplet_tags in self.ledger.existing.items():
                if other == "droplets":
                    droplet_tags.discard(id)
        status, response = api("DELETE", f"/v2/{kind}/{id}")
        if status == 204:
            self.ledger.deleted.add(key)
            self.ledger.acknowledged += 1
        else:
            assert kind != "tags" and status in (403, 412, 422), (
                kind,
                status,
                response,
            )  # the object is locked or not empty
            self.ledger.existing[key] = tags

    def _tag(self, api: ApiClient) -> None:
        tags = [id for kind, id in self.ledger.existing if kind == "tags"]
        droplets = [id for kind, id in self.ledger.existing if kind == "droplets"]
        if not tags or not droplets:
            return
        tag, droplet = self._random.choice(tags), self._random.choice(droplets)
        droplet_tags = self.ledger.existing.pop(("droplets", droplet))
        body = {"resources": [{"resource_id": str(droplet), "resource_type": "droplet"}]}
        status, response = api("POST", f"/v2/tags/{tag}/resources", body)
        assert status == 204, (status, response)
        self.ledger.existing["droplets", droplet] = droplet_tags | {tag}
        self.ledger.acknowledged += 1

    def differences(self, listed: dict[str, dict[Any, dict[str, Any]]]) -> list[str]:
        """Return the acknowledged changes that the API's lists do not have."""
        missing = [
            f"{kind} {id} is lost" for kind, id in self.ledger.existing if id not in listed[kind]
        ]
        undeleted = [
            f"{kind} {id} exists again" for kind, id in self.ledger.deleted if id in listed[kind]
        ]
        untagged = [
            f"droplet {id} has lost {tags - set(listed[kind][id]['tags'])}"
            for (kind, id), tags in self.ledger.existing.items()
            if kind == "droplets"
            and id in listed[kind]
            and not tags <= set(listed[kind][id]["tags"])
        ]
        return missing + undeleted + untagged


def _public_key() -> str:
    return (
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )
