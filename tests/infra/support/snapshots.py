"""Snapshots as Consul and Nomad write them, with records that a test chooses."""

import hashlib
import io
import tarfile
from collections.abc import Sequence
from functools import cache
from typing import Any

from infra.backup.archive import Snapshots
from tests.stack.attacks.msgpack import pack

CONSUL_RECORDS: Sequence[tuple[int, Any]] = (
    (0, {"Node": "prime01nyc3", "Address": "10.10.0.2"}),
    (0, {"Node": "prime01nyc3", "Service": {"Service": "consul"}}),
    (0, {"Node": "worker01nyc3", "Service": {"Service": "backserve", "ID": "1"}}),
    (0, {"Node": "worker02nyc3", "Service": {"Service": "backserve", "ID": "2"}}),
    (2, {"Key": "app/colour", "Value": b"blue"}),
    (2, {"Key": "app/size", "Value": bytes(range(256)) * 4}),
    (17, {"AccessorID": "1"}),
    (19, {"ID": "1"}),
    (22, pack("service-intentions") + pack({"Kind": "service-intentions"})),
    (22, pack("service-defaults") + pack({"Kind": "service-defaults"})),
    (99, {"A type": ["of a later version", None, True, -1 + 2]}),
)
"""Two keys, two services, a token, a policy and an intention."""
NOMAD_RECORDS: Sequence[tuple[int, Any]] = (
    (1, {"ID": "backserve", "Stop": False, "ParentID": ""}),
    (1, {"ID": "stopped", "Stop": True, "ParentID": ""}),
    (1, {"ID": "nightly/periodic-1", "Stop": False, "ParentID": "nightly"}),
    (11, {"Name": "operator"}),
    (12, {"AccessorID": "1"}),
    (12, {"AccessorID": "2"}),
    (22, {"Path": "app/config"}),
)
"""A job that runs, a variable, two tokens and a policy."""


def make_snapshot(records: Sequence[tuple[int, Any]]) -> bytes:
    """Return a snapshot with these types and contents of records."""
    state = pack({"LastIndex": 7})
    state += b"".join(bytes([kind]) + pack(content) for kind, content in records)
    files = {"meta.json": b"{}", "state.bin": state}
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in files.items()]
    return archive({**files, "SHA256SUMS": "\n".join(sums).encode()})


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@cache
def make_snapshots() -> Snapshots:
    """Return the same snapshots at each call; another archive would have another time."""
    return Snapshots(make_snapshot(CONSUL_RECORDS), make_snapshot(NOMAD_RECORDS))
