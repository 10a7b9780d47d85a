"""Packs a service and all that it imports into one file, which Python 3.11 runs as it is.

The file has the same bytes on every machine: dependencies are wheels pinned by hash in
``<service>/requirements.txt``; zip entries are sorted, uncompressed (compressors differ between
machines) and without a time. So its hash identifies its content before anything is uploaded.

``python -m services.pack`` packs every service and prints its name, hash and path.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from services.packed_service import PackedService

SERVICES_ROOT = Path(__file__).parent
SHARED = ("__init__.py", "duration.py", "connect", "serving")
"""Modules and packages that every packed service contains."""
PYTHON_VERSION = "3.11"
"""Python of the base image. Wheels are chosen for it, not for the Python that packs."""
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip entry can have."""
INSTALLATION_RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Files that describe pip's installation rather than the package."""


class PackError(Exception):
    """A service could not be packed; the message says why."""


def sources() -> list[str]:
    """Return the services that can be packed: the folders with a ``main.py``."""
    return sorted(main.parent.name for main in SERVICES_ROOT.glob("*/main.py"))


def pack(source: str) -> PackedService:
    """Pack the service in the folder ``source``. The first call installs its dependencies.

    Raises:
        PackError: there is no such folder, or the dependencies cannot be installed.
    """
    if source not in sources():
        raise PackError(f"there is no service {source!r}: use one of {', '.join(sources())}")
    content = _zip({**_installed_files(_dependencies(source)), **_own_files(source)})
    sha256 = hashlib.sha256(content).hexdigest()
    path = _cache() / f"{source}-{sha256[:16]}.pyz"
    if not path.exists():
        _write_atomically(path, content)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return PackedService(source=source, path=path, sha256=sha256, md5=md5)


def _cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
    cache = Path(os.environ.get("SLIPWAY_CACHE") or default) / "services"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _own_files(source: str) -> dict[str, bytes]:
    """Return the service, the shared modules and the entry point, by their path in the zip."""
    modules = [
        module
        for root in (*(SERVICES_ROOT / name for name in SHARED), SERVICES_ROOT / source)
        for module in (root.rglob("*.py") if root.is_dir() else [root])
    ]
    return {
        **{f"services/{file.relative_to(SERVICES_ROOT)}": file.read_bytes() for file in modules},
        "__main__.py": f"from services.{source}.main import main\n\nmain()\n".encode(),
    }


def _dependencies(source: str) -> Path:
    """Return the folder of installed dependencies, named by the hash of the requirements."""
    requirements = SERVICES_ROOT / source / "requirements.txt"
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = _cache() / f"dependencies-{key}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=_cache(), prefix="installing-") as scratch:
        packages = Path(scratch, "packages")
        pip = subprocess.run(
            _pip_install(requirements, packages), capture_output=True, text=True, check=False
        )
        if pip.returncode:
            raise PackError(
                f"the dependencies of {source} cannot be installed:\n{pip.stderr.strip()}"
            )
        shutil.rmtree(packages / "bin", ignore_errors=True)
        try:
            packages.rename(folder)
        except OSError:
            # Another process may have installed the same dependencies in the meantime.
            if not folder.exists():
                raise
    return folder


def _pip_install(requirements: Path, target: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *("--platform=any", "--implementation=py", "--abi=none"),
        f"--python-version={PYTHON_VERSION}",
        f"--target={target}",
        f"--requirement={requirements}",
    ]


def _installed_files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in _package_files(folder)}


def _package_files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        is_record = "__pycache__" in file.parts or file.name in INSTALLATION_RECORDS
        if file.is_file() and not is_record:
            yield file


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.create_system = 3  # Unix, on every machine
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _write_atomically(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix="packing-", delete=False) as scratch:
        scratch.write(content)
    Path(scratch.name).chmod(0o644)
    Path(scratch.name).rename(path)


if __name__ == "__main__":
    for packed in map(pack, sources()):
        print(f"{packed.source} {packed.sha256} {packed.path}")
