"""The format of a backup: who can read it, and what is refused."""

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from infra.backup.archive import (
    CODE_BYTES,
    DamagedBackupError,
    Snapshots,
    backup_name,
    parse_name,
    seal,
    unseal,
)
from tests.infra.support.backup_keys import backup_access

NAME = "20260131T120000Z-operator.backup"
SNAPSHOTS = Snapshots(b"\r\n\x00consul's" * 10_000, bytes(range(256)))


def test_a_backup_returns_its_snapshots() -> None:
    access = backup_access()
    backup = seal(NAME, SNAPSHOTS, access)
    assert unseal(NAME, backup, access) == SNAPSHOTS
    assert b"consul's" not in backup


def test_openssl_decrypts_a_backup_with_the_private_key_only(tmp_path: Path) -> None:
    access, content = backup_access(), tmp_path / "content"
    (tmp_path / "key.pem").write_text(access["key"])
    content.write_bytes(seal(NAME, SNAPSHOTS, access)[CODE_BYTES:])
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(content), "-inkey"]
    decrypted = subprocess.run(
        [*command, str(tmp_path / "key.pem")], check=True, capture_output=True
    ).stdout
    assert SNAPSHOTS.nomad in decrypted
    (tmp_path / "other.pem").write_text(backup_access("another")["key"])
    refused = subprocess.run([*command, str(tmp_path / "other.pem")], capture_output=True)
    assert SNAPSHOTS.nomad not in refused.stdout


@pytest.mark.parametrize("position", [0, CODE_BYTES, -1])
def test_a_changed_backup_is_refused(position: int) -> None:
    changed = bytearray(seal(NAME, SNAPSHOTS, backup_access()))
    changed[position] ^= 1
    with pytest.raises(DamagedBackupError, match=NAME):
        unseal(NAME, bytes(changed), backup_access())


@pytest.mark.parametrize("size", [0, 10, CODE_BYTES, 1000])
def test_a_truncated_backup_is_refused(size: int) -> None:
    with pytest.raises(DamagedBackupError):
        unseal(NAME, seal(NAME, SNAPSHOTS, backup_access())[:size], backup_access())


def test_a_backup_of_another_stack_and_a_renamed_one_are_refused() -> None:
    backup = seal(NAME, SNAPSHOTS, backup_access())
    with pytest.raises(DamagedBackupError, match="another stack"):
        unseal(NAME, backup, backup_access(code_key="cd" * 32))
    with pytest.raises(DamagedBackupError):
        unseal(NAME.replace("2026", "2027"), backup, backup_access())


def test_names_sort_by_time_in_utc() -> None:
    eastern = timezone(timedelta(hours=-5))
    name = backup_name(datetime(2026, 1, 31, 7, tzinfo=eastern), "operator")
    assert name == NAME
    assert parse_name(name) == (datetime(2026, 1, 31, 12, tzinfo=UTC), "operator")
    for other in ("20260131T120000Z.backup", f"folder/{NAME}", f"{NAME}.old", "notes.txt"):
        assert parse_name(other) is None
