"""The files of certificates: private key and chain as HAProxy reads them, in the cloud's directory and nowhere else.

The store and the fabric name a certificate by its id only. The ids are made by the cloud, so no request names a path.
"""

from pathlib import Path

from rehearsal import atomic_file
from rehearsal.config import CloudConfig


def file(config: CloudConfig, id: str) -> Path:
    """Where the certificate is while it exists."""
    return config.directory / "certificates" / f"{id}.pem"


def keep(config: CloudConfig, id: str, pem: bytes) -> None:
    """Write it for root's eyes only; it is on disk when this returns."""
    atomic_file.write(file(config, id), pem)


def drop(config: CloudConfig, id: str) -> None:
    file(config, id).unlink(missing_ok=True)


def drop_others(config: CloudConfig, ids: set[str]) -> None:
    """Remove what a crash left of certificates that no account has."""
    for found in file(config, "").parent.glob("*"):
        if found.name not in {f"{id}.pem" for id in ids}:
            found.unlink()
