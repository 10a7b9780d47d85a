"""Files of certificates: private key and chain, as HAProxy reads them, in the cloud's directory.

Records and the network state hold only a certificate's id. The cloud generates the ids, so no
request can choose a path.
"""

from pathlib import Path

from rehearsal import atomic_file
from rehearsal.config import CloudConfig


def path(config: CloudConfig, id: str) -> Path:
    return config.directory / "certificates" / f"{id}.pem"


def write(config: CloudConfig, id: str, pem: bytes) -> None:
    """Write the file, readable by its owner only. It is on disk when this returns."""
    atomic_file.write(path(config, id), pem)


def delete(config: CloudConfig, id: str) -> None:
    path(config, id).unlink(missing_ok=True)


def delete_others(config: CloudConfig, ids: set[str]) -> None:
    """Delete the files of all certificates but ``ids``, which a crash may have left."""
    kept = {path(config, id) for id in ids}
    for file in path(config, "").parent.glob("*"):
        if file not in kept:
            file.unlink()
