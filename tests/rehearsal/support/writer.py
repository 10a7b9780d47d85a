"""A client that makes, changes and deletes things of its own, and remembers what it was told."""

import random
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rehearsal.support.served import ApiClient

SPEC = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
MOST = 12
"""Of each kind, that one writer keeps."""


@dataclass
class Ledger:
    """What the API acknowledged."""

    there: dict[tuple[str, Any], Any] = field(default_factory=dict)
    """Path of its list and identifier of each object that exists, and what is known of it."""
    gone: set[tuple[str, Any]] = field(default_factory=set)
    acknowledged: int = 0


class Writer:
    """Asks one thing after another; whatever it is told goes into its ledger at once."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.ledger = Ledger()
        self._random = random.Random(number)
        self._count = 0

    def step(self, api: ApiClient) -> None:
        """One request.

        Raises:
            requests.ConnectionError: it may have been carried out or not; what it was about is not in the ledger any more.
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
        own = [key for key in self.ledger.there if key[0] == kind]
        if kind == "tagged":
            self._tag(api)
        elif len(own) >= MOST or (own and self._random.random() < 0.4):
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
        status, answer = api("POST", f"/v2/{kind}", body)
        assert status in (201, 202), (kind, status, answer)
        self.ledger.there[kind, answer[key][identifier]] = set()
        self.ledger.acknowledged += 1

    def _delete(self, api: ApiClient, key: tuple[str, Any]) -> None:
        kind, id = key
        known = self.ledger.there.pop(key)
        if kind == "tags":  # nothing refuses to let go of a tag
            for (other, _), tags in self.ledger.there.items():
                if other == "droplets":
                    tags.discard(id)
        status, answer = api("DELETE", f"/v2/{kind}/{id}")
        if status == 204:
            self.ledger.gone.add(key)
            self.ledger.acknowledged += 1
        else:
            assert kind != "tags" and status in (403, 412, 422), (
                kind,
                status,
                answer,
            )  # locked, or not empty
            self.ledger.there[key] = known

    def _tag(self, api: ApiClient) -> None:
        tags = [id for kind, id in self.ledger.there if kind == "tags"]
        droplets = [id for kind, id in self.ledger.there if kind == "droplets"]
        if not tags or not droplets:
            return
        tag, droplet = self._random.choice(tags), self._random.choice(droplets)
        known = self.ledger.there.pop(("droplets", droplet))
        body = {"resources": [{"resource_id": str(droplet), "resource_type": "droplet"}]}
        status, answer = api("POST", f"/v2/tags/{tag}/resources", body)
        assert status == 204, (status, answer)
        self.ledger.there["droplets", droplet] = known | {tag}
        self.ledger.acknowledged += 1

    def lost(self, listed: dict[str, dict[Any, dict[str, Any]]]) -> list[str]:
        """What was acknowledged and is not so, by the lists of the API."""
        missing = [
            f"{kind} {id} is lost" for kind, id in self.ledger.there if id not in listed[kind]
        ]
        back = [f"{kind} {id} is back" for kind, id in self.ledger.gone if id in listed[kind]]
        untagged = [
            f"droplet {id} has lost {tags - set(listed[kind][id]['tags'])}"
            for (kind, id), tags in self.ledger.there.items()
            if kind == "droplets"
            and id in listed[kind]
            and not tags <= set(listed[kind][id]["tags"])
        ]
        return missing + back + untagged


def _public_key() -> str:
    return (
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )
