"""Encrypted snapshots of Consul and Nomad, saved on the machine that runs the update."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from infra.cluster_api.client import Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access
from infra.snapshot_encryption import encrypt

SNAPSHOT_TIMEOUT_S = 60
"""Raft refuses a snapshot until it has applied the last change of the servers."""


def snapshot_directory() -> Path:
    """Return where snapshots are saved: ``SLIPWAY_SNAPSHOTS``, or a folder of the user's state."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return Path(os.environ.get("SLIPWAY_SNAPSHOTS") or state / "slipway/snapshots")


def save_snapshots(access: Access, key: str, cluster: str) -> list[Path]:
    """Save a snapshot of Consul and of Nomad, and return the files.

    Args:
        key: 32 bytes, base64.
        cluster: the cluster's identity, which names the files.

    Raises:
        AgentError: a server returns no snapshot.
        OSError: a file cannot be written.
    """
    directory = snapshot_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    files = []
    for api in (Consul(access), Nomad(access)):
        start, program = time.monotonic(), api.kind.lower()
        taken = Retrier(SNAPSHOT_TIMEOUT_S).run(f"snapshot of {api.kind}", api.take_snapshot)
        content = encrypt(taken, key)
        file = directory / f"{cluster}-{now}-{program}.snapshot"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(content)
        print(f"{file} saved in {time.monotonic() - start:.1f} s", flush=True)
        files.append(file)
    return files
