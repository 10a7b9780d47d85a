"""What is counted in a snapshot, and which files are no snapshot."""

import pytest

from infra.backup.contents import SnapshotError, count_consul, count_nomad
from infra.backup.messagepack import Decoder, MessagePackError
from infra.backup.taking import count_objects
from tests.infra.support.snapshots import (
    CONSUL_RECORDS,
    NOMAD_RECORDS,
    archive,
    make_snapshot,
    make_snapshots,
)


def test_objects_of_both_snapshots_are_counted() -> None:
    assert count_objects(make_snapshots()) == {
        "jobs": 1,
        "variables": 1,
        "Nomad tokens": 2,
        "Nomad policies": 1,
        "keys": 2,
        "services": 2,
        "intentions": 1,
        "Consul tokens": 1,
        "Consul policies": 1,
    }


@pytest.mark.parametrize("position", range(20, 200, 20))
def test_a_changed_snapshot_is_refused(position: int) -> None:
    changed = bytearray(make_snapshot(CONSUL_RECORDS))
    changed[position] ^= 1
    with pytest.raises(SnapshotError):
        count_consul(bytes(changed))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not compressed",
        make_snapshot(NOMAD_RECORDS)[:-40],
        archive({"state.bin": b"\x80", "meta.json": b"{}"}),
        archive({"state.bin": b"\x80", "SHA256SUMS": b""}),
        archive({"SHA256SUMS": b"00  state.bin"}),
    ],
    ids=["empty", "text", "truncated", "no sums", "empty sums", "no state"],
)
def test_what_is_no_snapshot_is_refused(content: bytes) -> None:
    with pytest.raises(SnapshotError):
        count_nomad(content)


def test_a_state_that_ends_within_a_record_is_refused() -> None:
    broken = make_snapshot([(22, {"Path": "app/config"}), (1, b"no job")])
    with pytest.raises(SnapshotError, match="cannot be read"):
        count_nomad(broken)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"\x7f", 127),
        (b"\xff", -1),
        (b"\xd1\xff\x00", -256),
        (b"\xcd\x01\x00", 256),
        (b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 1.0),
        (b"\xc0", None),
        (b"\xc2", False),
        (b"\xa2ab", b"ab"),
        (b"\xd9\x02ab", b"ab"),
        (b"\xc4\x02ab", b"ab"),
        (b"\x92\x01\x02", [1, 2]),
        (b"\xdc\x00\x01\xc3", [True]),
        (b"\x81\xa1a\x01", {"a": 1}),
        (b"\xdf\x00\x00\x00\x01\x01\x02", {"1": 2}),
        (b"\xd6\xff\x01\x02\x03\x04", b"\x01\x02\x03\x04"),
        (b"\xc7\x02\x05ab", b"ab"),
    ],
)
def test_messagepack_is_decoded(encoded: bytes, value: object) -> None:
    decoder = Decoder(encoded)
    assert decoder.read_object() == value
    assert decoder.is_at_end


@pytest.mark.parametrize("encoded", [b"", b"\xa2a", b"\xcd\x01", b"\x92\x01", b"\xc1"])
def test_incomplete_messagepack_is_refused(encoded: bytes) -> None:
    with pytest.raises(MessagePackError):
        Decoder(encoded).read_object()
