"""What is in the image for everybody to see: its units, and what a task is shown of it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.conftest import TOOLS, Tool

IMAGE = TOOLS.parents[4]
UNITS = TOOLS.parents[3] / "etc/systemd/system"
PYTHON = Path("/usr/bin/python3")
ROOT = {"nomad": 70, "grow-root": 40}
SECRET = (
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
    ["consul", "consul-dns", "grow-root", "node-guard", "nomad", "nomad-jwks", "nomad-welcome"],
)
def test_a_unit_is_hardly_exposed(unit: str) -> None:
    """By systemd's own measure, of ten at most: a client that runs tasks and what grows a disk have to be root, nothing else has."""
    judge = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={ROOT.get(unit, 20)}",
    ]
    done = subprocess.run(
        [*judge, UNITS / f"{unit}.service"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_no_unit_of_an_agent_leaves_a_core() -> None:
    units = sorted(UNITS.glob("*.service"))
    assert len(units) == 7
    assert [unit.name for unit in units if "\nLimitCORE=0\n" not in unit.read_text()] == []


@pytest.mark.parametrize("unit", ["nomad", "grow-root"])
def test_a_unit_has_no_mounts_of_its_own(unit: str) -> None:
    """Each of these would hide from Nomad, after a restart, the mounts of tasks that outlived it; a disk grows through its own mount."""
    own = re.compile(
        r"^(Protect(System|Home|Kernel|Control|Proc)|Private(Tmp|Devices|Mounts)|ReadWritePaths|InaccessiblePaths)",
        re.M,
    )
    assert own.findall((UNITS / f"{unit}.service").read_text()) == []


@pytest.mark.skipif(not PYTHON.exists() or shutil.which("ldd") is None, reason="no Debian")
def test_a_task_is_shown_neither_secrets_nor_programs_that_give_power() -> None:
    done = subprocess.run(
        [PYTHON, TOOLS / "chroot_env.py"], capture_output=True, text=True, check=True
    )
    shown = json.loads(done.stdout)["client"]["chroot_env"]
    assert str(PYTHON) in shown and "/etc/passwd" in shown
    assert [
        path
        for path in shown
        if path.startswith(SECRET) or path in ("/", "/etc", "/usr", "/usr/bin")
    ] == []
    files = [
        file for path in shown for file in (Path(path), *Path(path).rglob("*")) if file.is_file()
    ]
    assert len(files) > 100 and [file for file in files if file.stat().st_mode & 0o6000] == []


@pytest.fixture
def root_on(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """A machine with the root file system on that device of its sysfs, and the commands that growing it takes."""
    grow, asked = tool("grow_root"), list[str]()
    monkeypatch.setattr(grow, "SYS", tmp_path)
    exits = {"growpart": 1, "resize2fs": 0}

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(" ".join(command))
        return subprocess.CompletedProcess(command, exits[Path(command[0]).name])

    def on(device: str) -> list[str]:
        status = Path("/").stat()
        link = tmp_path / f"dev/block/{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
        link.parent.mkdir(parents=True)
        link.symlink_to(tmp_path / "devices" / device)
        assert grow.main() == 0
        return asked

    monkeypatch.setattr(grow.subprocess, "run", run)
    return on


def test_a_root_partition_fills_its_disk(
    root_on: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "devices/vda/vda1").mkdir(parents=True)
    (tmp_path / "devices/vda/vda1/partition").write_text("1\n")
    assert root_on("vda/vda1") == [
        "/usr/bin/growpart /dev/vda 1",
        "/usr/sbin/resize2fs /dev/vda1",
    ], "nothing to grow is no failure"


def test_a_root_on_no_partition_is_left_alone(
    root_on: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "devices/vda").mkdir(parents=True)
    assert root_on("vda") == []


def test_the_disk_grows_at_each_boot_of_an_enrolled_node(tool: Tool) -> None:
    unit = (UNITS / "grow-root.service").read_text()
    assert (
        f"ConditionPathExists=/{tool('traces').DISABLED}\n" in unit
        and "ConditionPathExists=/usr/bin/growpart\n" in unit
    )
    assert re.search(
        r"^systemctl enable .*\bgrow-root\.service\b",
        (IMAGE / "scripts/install-node.sh").read_text(),
        re.M,
    )
