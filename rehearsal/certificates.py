"""The files of certificates: private key and chain as HAProxy reads them, in the cloud's directory and nowhere else.

The store and the fabric name a certificate by its id only. The ids are made by the cloud, so no request names a path.
"""

import os
from pathlib import Path

from rehearsal.config import CloudConfig


def file(config: CloudConfig, id: str) -> Path:
    """Where the certificate is while it exists."""
    return config.directory / "certificates" / f"{id}.pem"


def keep(config: CloudConfig, id: str, pem: bytes) -> None:
    """Write it for root's eyes only; it is on disk when this returns."""
    write_secret(file(config, id), pem)


def drop(config: CloudConfig, id: str) -> None:
    file(config, id).unlink(missing_ok=True)


def drop_others(config: CloudConfig, ids: set[str]) -> None:
    """Remove what a crash left of certificates that no account has."""
    for found in file(config, "").parent.glob("*"):
        if found.name not in {f"{id}.pem" for id in ids}:
            found.unlink()


def write_secret(target: Path, content: bytes) -> None:
    """Put a whole file in place, or none; only root may read it and its directory."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = target.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
