"""Machines that outlived their cluster: which they are, what they are told, and what becomes of failures."""

from pathlib import Path

import pytest

from infra import rejoin
from infra.rejoin import KEY, RejoinError, outlived
from tests.infra.agents_api import member

PRIME = member("prime01nyc3", 9, created=30)
OLD, OTHER, NEW = member("worker01nyc3", 3, created=10), member("worker02nyc3", 4, created=11), member("worker03nyc3", 5, created=31)


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "id"
    file.touch()
    monkeypatch.setenv(KEY, str(file))
    return file


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ``ssh`` that notes whom it was to reach and runs nothing; ``unreachable`` beside it names who does not answer."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(
        "#!/bin/sh\n"
        f'for word; do case "$word" in root@*) host=$word;; esac; done\n'
        f'echo "$host" >> {tmp_path}/reached\n'
        f'if grep -qsx "$host" {tmp_path}/unreachable; then echo "no route to $host" >&2; exit 255; fi\n'
        f"echo '{rejoin.TOLD}'; exit 255\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def test_only_machines_older_than_every_prime_outlived_their_cluster() -> None:
    assert outlived([PRIME], [OLD, NEW]) == [OLD]
    assert outlived([PRIME, member("prime02nyc3", 8, created=1)], [OLD, NEW]) == []
    assert outlived([PRIME], [member("worker04nyc3", 6, created=30)]) == []


def test_all_are_told_though_the_connection_breaks(key: Path, ssh: Path) -> None:
    rejoin.rejoin([OLD, OTHER], [PRIME], patience=0)
    assert sorted((ssh / "reached").read_text().split()) == ["root@198.18.0.3", "root@198.18.0.4"]


def test_who_cannot_be_told_is_named_with_cause_and_remedy(key: Path, ssh: Path) -> None:
    (ssh / "unreachable").write_text("root@198.18.0.4\n")
    with pytest.raises(RejoinError, match=r"root@198.18.0.4: no route to root@198.18.0.4.*replace"):
        rejoin.rejoin([OLD, OTHER], [PRIME], patience=0)


def test_without_the_key_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, ssh: Path) -> None:
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(RejoinError, match=f"worker01nyc3 knew the former cluster: set {KEY}"):
        rejoin.rejoin([OLD], [PRIME], patience=0)
    assert not (ssh / "reached").exists()


def test_nobody_to_tell_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    rejoin.rejoin([], [PRIME], patience=0)


def test_the_command_line_is_whole() -> None:
    made = rejoin.command(OLD, [PRIME], Path("/keys/id"), Path("/scratch/known_hosts"))
    assert made[:5] == ["ssh", "-F", "none", "-i", "/keys/id"]
    assert {"BatchMode=yes", "UserKnownHostsFile=/scratch/known_hosts", "StrictHostKeyChecking=accept-new"} <= set(made)
    assert made[-3:] == ["root@198.18.0.3", "tool-rejoin", PRIME["address"]]
