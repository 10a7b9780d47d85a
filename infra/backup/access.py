"""Where the backups of a stack are, and the keys that they need, as its state has them."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from infra.names import BACKUPS


class BackupAccess(TypedDict):
    """The bucket and the keys of a stack's backups."""

    bucket: str
    region: str
    certificate: str
    """Encrypts; PEM."""
    key: str
    """The private key of the certificate, PEM."""
    code_key: str
    """Authenticates; hexadecimal digits."""


def find_access(resources: Iterable[Mapping[str, Any]]) -> BackupAccess | None:
    """Return the access in a state with its secrets in plain text; None if it has none."""
    outputs = {
        str(resource["urn"]).rpartition("::")[2]: resource["outputs"]
        for resource in resources
        if not resource.get("delete") and resource.get("outputs")
    }
    try:
        bucket = outputs[f"{BACKUPS}-bucket"]
        return BackupAccess(
            bucket=bucket["name"],
            region=bucket["region"],
            certificate=outputs[f"{BACKUPS}-certificate"]["certPem"],
            key=outputs[f"{BACKUPS}-key"]["privateKeyPem"],
            code_key=outputs[f"{BACKUPS}-code-key"]["result"],
        )
    except KeyError:
        return None
