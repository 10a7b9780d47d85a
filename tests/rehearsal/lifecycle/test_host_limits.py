"""Limits of the host: raised where they are too low, and restored with care."""

import json
import os
from pathlib import Path

import pytest

from rehearsal.lifecycle.host_limits import MINIMUMS, HostLimits

INSTANCES = "fs.inotify.max_user_instances"
WATCHES = "fs.inotify.max_user_watches"


class FakeHost:
    """Files in the place of /proc/sys; every limit but those given is high enough."""

    def __init__(self, directory: Path, **low: int) -> None:
        self._proc_sys = directory / "sys"
        self.record = directory / "run" / "host-limits.json"
        self.limits = HostLimits(self._proc_sys, self.record)
        for name, minimum in MINIMUMS.items():
            self.file(name).parent.mkdir(parents=True, exist_ok=True)
            self[name] = low.get(name, minimum * 2)

    def file(self, name: str) -> Path:
        return self._proc_sys / name.replace(".", "/")

    def __getitem__(self, name: str) -> int:
        return int(self.file(name).read_text())

    def __setitem__(self, name: str, value: int) -> None:
        self.file(name).write_text(f"{value}\n")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path, **{INSTANCES: 128, WATCHES: 8192})


def test_low_limits_are_raised_and_restored(host: FakeHost) -> None:
    assert host.limits.raise_limits() == [
        f"raised {INSTANCES} from 128 to 8192",
        f"raised {WATCHES} from 8192 to 524288",
    ]
    assert (host[INSTANCES], host[WATCHES]) == (8192, 524_288)
    assert host.limits.restore_limits() == [
        f"restored {INSTANCES} from 8192 to 128",
        f"restored {WATCHES} from 524288 to 8192",
    ]
    assert (host[INSTANCES], host[WATCHES]) == (128, 8192)
    assert not host.record.exists()


def test_high_limits_stay(host: FakeHost) -> None:
    host.limits.raise_limits()
    others = MINIMUMS.keys() - {INSTANCES, WATCHES}
    assert all(host[name] == MINIMUMS[name] * 2 for name in others)


def test_raising_twice_keeps_the_first_former_value(host: FakeHost) -> None:
    host.limits.raise_limits()
    assert host.limits.raise_limits() == []
    host.limits.restore_limits()
    assert host[INSTANCES] == 128


def test_a_limit_lowered_meanwhile_is_raised_and_restored_to_the_lower_value(
    host: FakeHost,
) -> None:
    host.limits.raise_limits()
    host[INSTANCES] = 64
    assert host.limits.raise_limits() == [f"raised {INSTANCES} from 64 to 8192"]
    host.limits.restore_limits()
    assert host[INSTANCES] == 64


@pytest.mark.parametrize("changed", [64, 9000, 1_000_000])
def test_a_limit_changed_by_somebody_else_is_not_restored(host: FakeHost, changed: int) -> None:
    host.limits.raise_limits()
    host[INSTANCES] = changed
    assert host.limits.restore_limits() == [f"restored {WATCHES} from 524288 to 8192"]
    assert host[INSTANCES] == changed


def test_a_crash_before_the_write_loses_no_former_value(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is on disk before the limit changes."""
    write = Path.write_text

    def crash(file: Path, text: str) -> int:
        if file == host.file(INSTANCES):
            raise KeyboardInterrupt
        return write(file, text)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "write_text", crash)
        host.limits.raise_limits()
    assert json.loads(host.record.read_text())[INSTANCES] == {"former": 128, "raised": 8192}
    assert host.limits.restore_limits() == []
    assert host[INSTANCES] == 128


def test_a_limit_that_cannot_be_written_is_reported_with_the_remedy(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def deny(file: Path, text: str) -> int:
        if file == host.file(INSTANCES):
            raise PermissionError(13, "Permission denied")
        return write(file, text)

    monkeypatch.setattr(Path, "write_text", deny)
    refused, raised = host.limits.raise_limits()
    assert f"cannot raise {INSTANCES} from 128 to 8192 (Permission denied)" in refused
    assert f"`sysctl -w {INSTANCES}=8192` on the host" in refused
    assert raised == f"raised {WATCHES} from 8192 to 524288"
    assert host.limits.restore_limits() == [f"restored {WATCHES} from 524288 to 8192"]
    assert host[INSTANCES] == 128


def test_a_kernel_without_a_limit_is_skipped(host: FakeHost) -> None:
    host.file(INSTANCES).unlink()
    assert host.limits.raise_limits() == [f"raised {WATCHES} from 8192 to 524288"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change limits of the kernel")
def test_limits_of_the_kernel_are_raised_and_restored(tmp_path: Path) -> None:
    """The test restores a limit only if no cloud raised it before."""
    limits = HostLimits(record=tmp_path / "host-limits.json")
    file = Path("/proc/sys") / INSTANCES.replace(".", "/")
    former = int(file.read_text())
    messages = limits.raise_limits()
    try:
        if any(message.startswith(f"cannot raise {INSTANCES}") for message in messages):
            pytest.skip("this container may not change limits of the kernel")
        assert int(file.read_text()) == max(former, MINIMUMS[INSTANCES])
    finally:
        limits.restore_limits()
    assert int(file.read_text()) == former
