"""Packing: equal content gives equal bytes, and any change gives another file."""

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
    """A copy of services/ that a test may change, with the usual cache of dependencies."""
    copy = tmp_path / "services"
    shutil.copytree(packing.SERVICES_ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(packing, "SERVICES_ROOT", copy)
    return copy


def test_another_cache_and_checkout_give_the_same_bytes(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pack("backserve")
    for file in checkout.rglob("*.py"):
        file.touch()
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))
    repacked = pack("backserve")
    assert repacked.path != original.path
    assert repacked.path.read_bytes() == original.path.read_bytes()
    assert repacked.sha256 == original.sha256


@pytest.mark.parametrize("service", sources())
def test_the_zip_does_not_depend_on_time_or_machine(service: str) -> None:
    with zipfile.ZipFile(pack(service).path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {packing.ZIP_EPOCH}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert not [name for name in names if name.endswith((".pyc", ".so", "/RECORD", "/INSTALLER"))]


def test_the_zip_contains_no_other_service() -> None:
    with zipfile.ZipFile(pack("backserve").path) as archive:
        folders = {
            name.split("/")[1] for name in archive.namelist() if name.startswith("services/")
        }
    assert folders == {"__init__.py", "duration.py", "backserve", "connect", "serving"}


def test_a_changed_line_changes_only_the_hash_of_its_service(checkout: Path) -> None:
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


def test_the_command_prints_each_packed_service() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "services.pack"],
        capture_output=True,
        text=True,
        check=True,
        cwd=packing.SERVICES_ROOT.parent,
    )
    packed = pack("prober")
    assert f"prober {packed.sha256} {packed.path}" in result.stdout.splitlines()
