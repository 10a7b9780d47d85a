"""What is in the image for everybody to see: its units, and what a task is shown of it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.images.conftest import TOOLS

UNITS = TOOLS.parents[3] / "etc/systemd/system"
PYTHON = Path("/usr/bin/python3")
SECRET = ("/etc/slipway", "/etc/consul.d", "/etc/nomad.d", "/etc/ssh", "/etc/sudoers", "/etc/shadow", "/var", "/home", "/root", "/run")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("unit", ["consul", "consul-dns", "node-guard", "nomad", "nomad-jwks"])
def test_a_unit_is_hardly_exposed(unit: str) -> None:
    """By systemd's own measure, of ten at most: a client that runs tasks has to be root, nothing else has."""
    judge = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={70 if unit == 'nomad' else 20}"]
    done = subprocess.run([*judge, UNITS / f"{unit}.service"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_no_unit_of_an_agent_leaves_a_core() -> None:
    units = sorted(UNITS.glob("*.service"))
    assert len(units) == 5
    assert [unit.name for unit in units if "\nLimitCORE=0\n" not in unit.read_text()] == []


def test_nomad_has_no_mounts_of_its_own() -> None:
    """Each of these would hide from it, after a restart, the mounts of tasks that outlived it."""
    own = re.compile(r"^(Protect(System|Home|Kernel|Control|Proc)|Private(Tmp|Devices|Mounts)|ReadWritePaths|InaccessiblePaths)", re.M)
    assert own.findall((UNITS / "nomad.service").read_text()) == []


@pytest.mark.skipif(not PYTHON.exists() or shutil.which("ldd") is None, reason="no Debian")
def test_a_task_is_shown_neither_secrets_nor_programs_that_give_power() -> None:
    done = subprocess.run([PYTHON, TOOLS / "chroot_env.py"], capture_output=True, text=True, check=True)
    shown = json.loads(done.stdout)["client"]["chroot_env"]
    assert str(PYTHON) in shown and "/etc/passwd" in shown
    assert [path for path in shown if path.startswith(SECRET) or path in ("/", "/etc", "/usr", "/usr/bin")] == []
    files = [file for path in shown for file in (Path(path), *Path(path).rglob("*")) if file.is_file()]
    assert len(files) > 100 and [file for file in files if file.stat().st_mode & 0o6000] == []
