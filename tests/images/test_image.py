"""The image's systemd units, and the files of the machine that a task sees."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.support.programs import ETC, IMAGE, PROGRAMS, LoadModule

UNITS = ETC / "systemd/system"
PYTHON = Path("/usr/bin/python3")
DEFAULT_MAX_EXPOSURE = 20
MAX_EXPOSURE = {"nomad": 70, "grow-root": 40}
"""Of units that run as root, in tenths of the score of `systemd-analyze security`."""
SECRET_PATHS = (
    "/etc/slipway",
    "/etc/consul.d",
    "/etc/nomad.d",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/shadow",
    "/var",
    "/home",
    "/root",
    "/run",
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize(
    "unit",
    [
        "consul",
        "consul-dns",
        "grow-root",
        "node-firewall",
        "nomad",
        "nomad-end-drain",
        "nomad-jwks",
        "take-backup",
    ],
)
def test_a_unit_is_hardened(unit: str) -> None:
    """A Nomad client and the program that resizes a disk need root; no other unit does."""
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={MAX_EXPOSURE.get(unit, DEFAULT_MAX_EXPOSURE)}",
        str(UNITS / f"{unit}.service"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_no_unit_leaves_a_core_file() -> None:
    units = sorted(UNITS.glob("*.service"))
    assert len(units) == 8
    assert [unit.name for unit in units if "\nLimitCORE=0\n" not in unit.read_text()] == []


@pytest.mark.parametrize("unit", ["nomad", "grow-root"])
def test_a_unit_creates_no_mount_namespace(unit: str) -> None:
    """A restarted Nomad would not see the mounts of running tasks; a disk needs its real mount."""
    namespace_settings = re.compile(
        r"^(Protect(System|Home|Kernel|Control|Proc)|Private(Tmp|Devices|Mounts)"
        r"|ReadWritePaths|InaccessiblePaths)",
        re.M,
    )
    assert namespace_settings.findall((UNITS / f"{unit}.service").read_text()) == []


@pytest.mark.skipif(not PYTHON.exists() or shutil.which("ldd") is None, reason="no Debian")
def test_a_task_sees_neither_secrets_nor_setuid_programs() -> None:
    done = subprocess.run(
        [PYTHON, PROGRAMS / "chroot_env.py"], capture_output=True, text=True, check=True
    )
    paths = json.loads(done.stdout)["client"]["chroot_env"]
    assert str(PYTHON) in paths and "/etc/passwd" in paths
    assert [
        path
        for path in paths
        if path.startswith(SECRET_PATHS) or path in ("/", "/etc", "/usr", "/usr/bin")
    ] == []
    files = [
        file for path in paths for file in (Path(path), *Path(path).rglob("*")) if file.is_file()
    ]
    assert len(files) > 100 and [file for file in files if file.stat().st_mode & 0o6000] == []


@pytest.fixture
def grow_root_on(
    load: LoadModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """Run grow_root with the root file system on a device of sysfs; return its commands."""
    grow_root, commands = load("grow_root"), list[str]()
    monkeypatch.setattr(grow_root, "SYS", tmp_path)
    statuses = {"growpart": 1, "resize2fs": 0}

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(" ".join(command))
        return subprocess.CompletedProcess(command, statuses[Path(command[0]).name])

    def on(device: str) -> list[str]:
        status = Path("/").stat()
        link = tmp_path / f"dev/block/{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
        link.parent.mkdir(parents=True)
        link.symlink_to(tmp_path / "devices" / device)
        assert grow_root.main() == 0
        return commands

    monkeypatch.setattr(grow_root.subprocess, "run", run)
    return on


def test_a_root_partition_fills_its_disk(
    grow_root_on: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "devices/vda/vda1").mkdir(parents=True)
    (tmp_path / "devices/vda/vda1/partition").write_text("1\n")
    assert grow_root_on("vda/vda1") == [
        "/usr/bin/growpart /dev/vda 1",
        "/usr/sbin/resize2fs /dev/vda1",
    ], "growpart without a change is not a failure"


def test_a_root_file_system_without_a_partition_is_unchanged(
    grow_root_on: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "devices/vda").mkdir(parents=True)
    assert grow_root_on("vda") == []


def test_the_disk_grows_at_each_boot_of_an_enrolled_node(load: LoadModule) -> None:
    unit = (UNITS / "grow-root.service").read_text()
    assert (
        f"ConditionPathExists=/{load('erase_cloud_init').DISABLED_MARKER}\n" in unit
        and "ConditionPathExists=/usr/bin/growpart\n" in unit
    )
    assert re.search(
        r"^systemctl enable (.*\\\n)*.*\bgrow-root\.service\b",
        (IMAGE / "scripts/install-node.sh").read_text(),
        re.M,
    )
