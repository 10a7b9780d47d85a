"""Certificates. The resource id is the name, because a renewal changes the UUID."""

import hashlib
from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import STRING, Properties, Property, State, name, output, set_of
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.values import UNKNOWN

TYPES = ("custom", "lets_encrypt")
UPLOAD_KEYS = ("privateKey", "leafCertificate", "certificateChain")
REQUIRED_BY_TYPE = {"custom": ("privateKey", "leafCertificate"), "lets_encrypt": ("domains",)}
FIELDS = {
    "name": "name",
    "type": "type",
    "privateKey": "private_key",
    "leafCertificate": "leaf_certificate",
    "certificateChain": "certificate_chain",
    "domains": "dns_names",
}

IN_USE = "being used by one or more load balancers"
RELEASE_TIMEOUT_S = 30.0
"""Time for load balancers to release a certificate before its deletion fails."""


def _sha1(pem: str) -> str:
    """Return the hash that the state stores instead of the PEM, as in the official plugin."""
    return hashlib.sha1(pem.encode(), usedforsecurity=False).hexdigest()


def find_certificate(client: DigitalOcean, name: str) -> dict[str, Any] | None:
    """Return the certificate with this name, None if there is none."""
    certificates = client.list_all("/v2/certificates", "certificates", {"name": name})
    return next((certificate for certificate in certificates if certificate["name"] == name), None)


class Certificate(Resource[DigitalOcean]):
    """A certificate for load balancers: uploaded, or issued by Let's Encrypt."""

    token = "digitalocean:index/certificate:Certificate"
    properties: ClassVar[Properties] = {
        "certificateChain": Property(STRING, replaces=True, to_state=_sha1),
        "domains": Property(set_of(STRING), replaces=True),
        "leafCertificate": Property(STRING, replaces=True, to_state=_sha1),
        "name": name(replaces=True),
        "privateKey": Property(STRING, replaces=True, secret=True, to_state=_sha1),
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
                for key in UPLOAD_KEYS
                if inputs.get(key)
            ]
        return failures

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Ignore the domains of an uploaded certificate: they are part of its content."""
        if new["type"] != "custom":
            return differences
        return [item for item in differences if item.key != "domains"]

    def create(self, change: Change) -> None:
        new = change.new
        for key in REQUIRED_BY_TYPE[new["type"]]:
            if not new.get(key):
                field = "domains" if key == "domains" else FIELDS[key]
                suffix = " or empty" if new["type"] == "custom" else ""
                raise PluginError(f"`{field}` is required for when type is `{new['type']}`{suffix}")
        with error_context("Error creating Certificate"):
            certificate = self.client.call(
                "POST",
                "/v2/certificates",
                {FIELDS[key]: new[key] for key in FIELDS if new.get(key)},
            )["certificate"]
        change.id = certificate["name"]
        change.outputs["uuid"] = certificate["id"]

        path = f"/v2/certificates/{certificate['id']}"
        change.deadline.wait_for_state(
            lambda: self.client.call("GET", path)["certificate"]["state"],
            ("pending",),
            "verified",
            f"certificate ({certificate['name']})",
        )

    def read(self, resource_id: str, state: State) -> State | None:
        certificate = find_certificate(self.client, resource_id)
        if certificate is None:
            return None
        return {
            "name": certificate["name"],
            "uuid": certificate["id"],
            "type": certificate["type"],
            "state": certificate["state"],
            "notAfter": certificate["not_after"],
            "sha1Fingerprint": certificate["sha1_fingerprint"],
            "domains": [name for name in certificate["dns_names"] or [] if name],
        }

    def update(self, change: Change) -> None:
        """Do nothing: a change of any property replaces the certificate."""

    def delete(self, change: Change) -> None:
        certificate = find_certificate(self.client, change.id)
        if certificate is None:
            return
        with error_context("Error deleting Certificate"):
            change.deadline.capped(RELEASE_TIMEOUT_S).retry(
                lambda: self.client.delete(f"/v2/certificates/{certificate['id']}"),
                _is_in_use,
                f"load balancers to release certificate {change.id}",
            )


def _is_in_use(error: PluginError) -> bool:
    return isinstance(error, RestError) and error.status == 403 and IN_USE in str(error)
