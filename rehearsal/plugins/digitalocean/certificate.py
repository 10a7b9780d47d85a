"""Certificates. Their id is their name: that stays when a certificate is renewed, and its UUID does not."""

import hashlib
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, output, set_of
from rehearsal.plugins.values import UNKNOWN

TYPES = ("custom", "lets_encrypt")
UPLOADED = ("privateKey", "leafCertificate", "certificateChain")
NEEDED = {"custom": ("privateKey", "leafCertificate"), "lets_encrypt": ("domains",)}
FIELDS = {
    "name": "name",
    "type": "type",
    "privateKey": "private_key",
    "leafCertificate": "leaf_certificate",
    "certificateChain": "certificate_chain",
    "domains": "dns_names",
}

IN_USE = "being used by one or more load balancers"
LETTING_GO_SECONDS = 30.0
"""How long a load balancer may still use a certificate that goes."""


def _hashed(pem: str) -> str:
    """The state keeps only this of what was uploaded; SHA-1 as in the official plugin."""
    return hashlib.sha1(pem.encode(), usedforsecurity=False).hexdigest()


def named(client: DigitalOcean, name: str) -> dict[str, Any] | None:
    """The certificate of that name."""
    found = client.every("/v2/certificates", "certificates", {"name": name})
    return next((certificate for certificate in found if certificate["name"] == name), None)


class Certificate(Resource[DigitalOcean]):
    """A certificate for load balancers: uploaded, or signed by Let's Encrypt for domains of the account."""

    token = "digitalocean:index/certificate:Certificate"
    properties: ClassVar[Properties] = {
        "certificateChain": Property(STRING, replaces=True, stored=_hashed),
        "domains": Property(set_of(STRING), replaces=True),
        "leafCertificate": Property(STRING, replaces=True, stored=_hashed),
        "name": name(replaces=True),
        "privateKey": Property(STRING, replaces=True, secret=True, stored=_hashed),
        "type": Property(STRING, replaces=True, default="custom"),
        "notAfter": output(STRING),
        "sha1Fingerprint": output(STRING),
        "state": output(STRING),
        "uuid": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        failures = []
        if inputs.get("type") not in (*TYPES, UNKNOWN):
            failures.append(
                Failure(
                    "type", f"expected type to be one of {list(TYPES)}, got {inputs.get('type')}"
                )
            )
        if inputs.get("domains"):
            failures += [
                Failure("domains", f'"domains": conflicts with {FIELDS[key]}')
                for key in UPLOADED
                if inputs.get(key)
            ]
        return failures

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        """The names of an uploaded one are what it holds, not what was asked for."""
        return [item for item in found if item.key != "domains" or new["type"] != "custom"]

    def create(self, change: Change) -> None:
        new = change.new
        for key in NEEDED[new["type"]]:
            if not new.get(key):
                field = "domains" if key == "domains" else FIELDS[key]
                suffix = " or empty" if new["type"] == "custom" else ""
                raise PluginError(f"`{field}` is required for when type is `{new['type']}`{suffix}")
        with telling("Error creating Certificate"):
            made = self.client.call(
                "POST",
                "/v2/certificates",
                {FIELDS[key]: new[key] for key in FIELDS if new.get(key)},
            )["certificate"]
        change.id = made["name"]
        change.learned["uuid"] = made["id"]

        def look() -> tuple[str, None]:
            return self.client.call("GET", f"/v2/certificates/{made['id']}")["certificate"][
                "state"
            ], None

        change.clock.until(look, ("pending",), "verified", f"certificate ({made['name']})")

    def read(self, resource_id: str, state: State) -> State | None:
        found = named(self.client, resource_id)
        if found is None:
            return None
        return {
            "name": found["name"],
            "uuid": found["id"],
            "type": found["type"],
            "state": found["state"],
            "notAfter": found["not_after"],
            "sha1Fingerprint": found["sha1_fingerprint"],
            "domains": [name for name in found["dns_names"] or [] if name],
        }

    def update(self, change: Change) -> None:
        """Never asked for: every property replaces."""

    def delete(self, change: Change) -> None:
        found = named(self.client, change.id)
        clock = change.clock.limited(LETTING_GO_SECONDS)
        while found:
            try:
                self.client.call("DELETE", f"/v2/certificates/{found['id']}")
                return
            except RestError as error:
                if error.status == 404:
                    return
                if error.status != 403 or IN_USE not in str(error):
                    raise PluginError(f"Error deleting Certificate: {error}") from error
                clock.pause(f"certificate {change.id} to be let go of: {error}")
