"""Packing: one file, the same everywhere, and another one as soon as anything in it changes."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services import pack as packing
from services.pack import PackError, pack, sources


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the services that a test may change; the dependencies' cache is the usual one."""
    copy = tmp_path / "services"
    shutil.copytree(packing.SERVICES_ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(packing, "SERVICES_ROOT", copy)
    return copy


def test_the_same_bytes_from_another_cache_and_checkout(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = pack("backserve")
    for file in checkout.rglob("*.py"):
        file.touch()
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))
    there = pack("backserve")
    assert there.path != here.path
    assert there.path.read_bytes() == here.path.read_bytes()
    assert there.sha256 == here.sha256


@pytest.mark.parametrize("service", sources())
def test_nothing_in_it_depends_on_when_or_by_whom(service: str) -> None:
    with zipfile.ZipFile(pack(service).path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {packing.ZIP_EPOCH}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert not [name for name in names if name.endswith((".pyc", ".so", "/RECORD", "/INSTALLER"))]


def test_only_its_own_service_is_in_it() -> None:
    with zipfile.ZipFile(pack("backserve").path) as archive:
        folders = {
            name.split("/")[1] for name in archive.namelist() if name.startswith("services/")
        }
    assert folders == {"__init__.py", "duration.py", "backserve", "connect", "serving"}


def test_a_changed_line_is_another_artifact(checkout: Path) -> None:
    before = {service: pack(service).sha256 for service in sources()}
    with (checkout / "backserve" / "main.py").open("a") as file:
        file.write("# changed\n")
    after = {service: pack(service).sha256 for service in sources()}
    assert [service for service in sources() if before[service] != after[service]] == ["backserve"]


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(PackError, match="backserve, frontserve, prober"):
        pack("sideserve")


def test_a_wheel_with_another_hash_is_refused(checkout: Path) -> None:
    requirements = checkout / "backserve" / "requirements.txt"
    requirements.write_text(
        re.sub("sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, requirements.read_text())
    )
    with pytest.raises(PackError, match="backserve cannot be installed"):
        pack("backserve")


def test_the_command_prints_what_it_made() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.pack"],
        capture_output=True,
        text=True,
        check=True,
        cwd=packing.SERVICES_ROOT.parent,
    )
    made = pack("prober")
    assert f"prober {made.sha256} {made.path}" in done.stdout.splitlines()
