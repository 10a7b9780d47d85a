"""Snapshots: their encryption and their files."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from infra.cluster.snapshots import save_snapshots, snapshot_directory
from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access
from infra.snapshot_encryption import decrypt, encrypt
from tests.infra.support.agents_api import RAFT_REFUSAL, Agents, serving

MANAGER = "00000000-0000-0000-0000-000000000001"
KEY, ANOTHER_KEY = (base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2))


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
def access(agents: Agents, tmp_path: Path) -> Iterator[Access]:
    with serving(agents, tmp_path, consul_token=MANAGER, nomad_token=MANAGER) as served:
        Consul(served).bootstrap_acl()
        Nomad(served).bootstrap_acl()
        yield served


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLIPWAY_SNAPSHOTS", str(tmp_path / "deep/snapshots"))
    return tmp_path / "deep/snapshots"


def test_decryption_inverts_encryption() -> None:
    content = os.urandom(100_000)
    encrypted = encrypt(content, KEY)
    assert decrypt(encrypted, KEY) == content
    assert content[:32] not in encrypted


def test_equal_snapshots_are_encrypted_differently() -> None:
    """A nonce that is used twice would break AES-GCM."""
    assert encrypt(b"snapshot", KEY)[:12] != encrypt(b"snapshot", KEY)[:12]


def test_another_key_is_refused() -> None:
    with pytest.raises(InvalidTag):
        decrypt(encrypt(b"snapshot", KEY), ANOTHER_KEY)


@pytest.mark.parametrize("position", [0, 12, -1])
def test_changed_file_is_refused(position: int) -> None:
    changed = bytearray(encrypt(b"snapshot", KEY))
    changed[position] ^= 1
    with pytest.raises(InvalidTag):
        decrypt(bytes(changed), KEY)


def test_snapshots_of_both_programs_are_saved_for_their_owner_only(
    access: Access, directory: Path
) -> None:
    files = save_snapshots(access, KEY, "the-cluster")
    assert {file.parent for file in files} == {directory}
    assert [decrypt(file.read_bytes(), KEY) for file in files] == [
        b"snapshot of consul",
        b"snapshot of nomad",
    ]
    assert all(file.name.startswith("the-cluster-") for file in files)
    assert [file.name.rpartition("-")[2] for file in files] == [
        "consul.snapshot",
        "nomad.snapshot",
    ]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_refused_snapshot_is_an_error(access: Access, agents: Agents, directory: Path) -> None:
    agents.fault = lambda kind, method, path: (403, "no") if path == "/v1/snapshot" else None
    with pytest.raises(AgentError, match=r"Consul at .* \(403: no\)"):
        save_snapshots(access, KEY, "the-cluster")
    assert list(directory.iterdir()) == []


def test_snapshot_is_taken_again_until_raft_has_applied_the_last_change(
    access: Access, agents: Agents, directory: Path
) -> None:
    refused: set[str] = set()

    def refuse_once(kind: str, method: str, path: str) -> tuple[int, str] | None:
        if path in refused or not path.endswith("/snapshot") or method == "PUT":
            return None
        refused.add(path)
        return 500, RAFT_REFUSAL

    agents.fault = refuse_once
    assert len(save_snapshots(access, KEY, "the-cluster")) == 2
    assert refused == {"/v1/snapshot", "/v1/operator/snapshot"}


def test_directory_of_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLIPWAY_SNAPSHOTS", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert snapshot_directory() == Path.home() / ".local/state/slipway/snapshots"
    monkeypatch.setenv("XDG_STATE_HOME", "/of/the/user")
    assert snapshot_directory() == Path("/of/the/user/slipway/snapshots")
    monkeypatch.setenv("SLIPWAY_SNAPSHOTS", "/elsewhere")
    assert snapshot_directory() == Path("/elsewhere")
