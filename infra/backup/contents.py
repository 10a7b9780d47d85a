"""What a snapshot of Consul or Nomad holds: its checksums are checked, its objects counted.

A snapshot is a compressed archive of ``meta.json``, ``state.bin`` and ``SHA256SUMS``. The state is
a header and then records: one byte for the type, and an object in MessagePack.
"""

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.backup.messagepack import Decoder, MessagePackError

STATE_FILE, CHECKSUM_FILE = "state.bin", "SHA256SUMS"
SERVICE, KEY, CONSUL_TOKEN, CONSUL_POLICY, CONFIG_ENTRY = 0, 2, 17, 19, 22
"""Types of Consul's records (``MessageType`` in its ``agent/structs``)."""
JOB, NOMAD_POLICY, NOMAD_TOKEN, VARIABLE = 1, 11, 12, 22
"""Types of Nomad's records (``SnapshotType`` in its ``nomad/fsm.go``)."""
INTENTIONS = b"service-intentions"
"""The kind of the config entries that hold intentions, one entry for each destination."""

Counts = dict[str, int]


class SnapshotError(ValueError):
    """A file is no complete snapshot."""


@contextmanager
def _format_errors() -> Iterator[None]:
    try:
        yield
    except (MessagePackError, LookupError, AttributeError, TypeError) as error:
        raise SnapshotError(f"the snapshot cannot be read: {error}") from error


@_format_errors()
def count_consul(snapshot: bytes) -> Counts:
    """Return the number of objects in a snapshot of Consul.

    Raises:
        SnapshotError: it is incomplete or changed.
    """
    counts = dict.fromkeys(
        ("keys", "services", "intentions", "Consul tokens", "Consul policies"), 0
    )
    services = set()
    for kind, record in _records(snapshot):
        if kind == SERVICE and record.get("Service"):
            services.add(record["Service"]["Service"])
        elif kind == CONFIG_ENTRY:
            counts["intentions"] += Decoder(record).read_object() == INTENTIONS
        elif name := {
            KEY: "keys",
            CONSUL_TOKEN: "Consul tokens",
            CONSUL_POLICY: "Consul policies",
        }.get(kind):
            counts[name] += 1
    return {**counts, "services": len(services)}


@_format_errors()
def count_nomad(snapshot: bytes) -> Counts:
    """Return the number of objects in a snapshot of Nomad.

    A stopped job and one that a periodic job started are not counted.

    Raises:
        SnapshotError: it is incomplete or changed.
    """
    names = {NOMAD_POLICY: "Nomad policies", NOMAD_TOKEN: "Nomad tokens", VARIABLE: "variables"}
    counts = dict.fromkeys(("jobs", "variables", "Nomad tokens", "Nomad policies"), 0)
    for kind, record in _records(snapshot):
        if kind == JOB:
            counts["jobs"] += not record["Stop"] and not record["ParentID"]
        elif kind in names:
            counts[names[kind]] += 1
    return counts


def _records(snapshot: bytes) -> Iterator[tuple[int, Any]]:
    """Yield type and content of each record."""
    decoder = Decoder(_read_state(snapshot))
    decoder.read_object()
    while not decoder.is_at_end:
        yield decoder.read_byte(), decoder.read_object()


def _read_state(snapshot: bytes) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(snapshot), mode="r:gz") as archive:
            files = {
                member.name: stream.read()
                for member in archive
                if (stream := archive.extractfile(member))
            }
        sums = [line.split() for line in files[CHECKSUM_FILE].decode().splitlines()]
        is_intact = all(hashlib.sha256(files[name]).hexdigest() == digest for digest, name in sums)
        if not is_intact or STATE_FILE not in {name for _, name in sums}:
            raise SnapshotError("the snapshot does not match its checksums")
        return files[STATE_FILE]
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError, ValueError) as error:
        if isinstance(error, SnapshotError):
            raise
        raise SnapshotError(f"the snapshot is incomplete: {error}") from error
