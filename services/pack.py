"""Packs a service and all that it imports into one file that any Python 3.11 runs as it is.

The file is the same byte for byte wherever and whenever it is packed: dependencies are wheels pinned by hash in
``<service>/requirements.txt``, entries are sorted and stored without compression (compressors differ between
machines) and carry no time. So its hash names its content, and is known before anything is uploaded.

``python -m services.pack`` packs every service and prints what it made.
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
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SERVICES = ("backserve", "frontserve", "prober")
SHARED = ("connect", "serving")
"""What every service has with it."""
PYTHON = "3.11"
"""The image's Python: wheels are chosen for it, not for the Python that packs."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip entry can have."""
NOISE = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""What pip writes about an installation, not about the package."""


class PackError(Exception):
    """A service could not be packed; the message tells why."""


@dataclass(frozen=True)
class Artifact:
    """A packed service."""

    name: str
    path: Path
    sha256: str


def pack(service: str) -> Artifact:
    """Pack ``service``; its dependencies are fetched the first time only.

    Raises:
        PackError: there is no such service, or its dependencies cannot be installed.
    """
    if service not in SERVICES:
        raise PackError(f"no service {service!r}: there are {', '.join(SERVICES)}")
    content = _zip({**_tree(_dependencies(service)), **_own(service)})
    sha256 = hashlib.sha256(content).hexdigest()
    path = _cache() / f"{service}-{sha256[:16]}.pyz"
    if not path.exists():
        _write(path, content)
    return Artifact(service, path, sha256)


def _cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
    cache = Path(os.environ.get("SLIPWAY_CACHE") or default) / "services"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _own(service: str) -> dict[str, bytes]:
    """Our own part: the service, what all services share, and the entry point."""
    folders = [*(HERE / name for name in SHARED), HERE / service]
    sources = {
        f"services/{file.relative_to(HERE)}": file.read_bytes()
        for folder in folders
        for file in sorted(folder.rglob("*.py"))
    }
    return {
        **sources,
        "services/__init__.py": (HERE / "__init__.py").read_bytes(),
        "__main__.py": f"from services.{service}.main import main\n\nmain()\n".encode(),
    }


def _dependencies(service: str) -> Path:
    """The folder with the installed dependencies, named by the hash of the requirements."""
    requirements = HERE / service / "requirements.txt"
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = _cache() / f"dependencies-{key}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=_cache(), prefix="installing-") as scratch:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--no-deps",
        ]
        command += [
            "--require-hashes",
            "--only-binary=:all:",
            "--platform=any",
            "--implementation=py",
            "--abi=none",
        ]
        command += [
            f"--python-version={PYTHON}",
            f"--target={scratch}/packages",
            f"--requirement={requirements}",
        ]
        pip = subprocess.run(command, capture_output=True, text=True, check=False)
        if pip.returncode:
            raise PackError(
                f"the dependencies of {service} cannot be installed:\n{pip.stderr.strip()}"
            )
        shutil.rmtree(f"{scratch}/packages/bin", ignore_errors=True)
        try:
            Path(scratch, "packages").rename(folder)
        except OSError:
            if (
                not folder.exists()
            ):  # otherwise another process was quicker, and its folder is as good
                raise
    return folder


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts and file.name not in NOISE:
            yield file


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, wherever it is packed
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """All or nothing: a reader never sees half a file."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix="packing-", delete=False) as scratch:
        scratch.write(content)
    Path(scratch.name).chmod(0o644)
    Path(scratch.name).rename(path)


if __name__ == "__main__":
    for artifact in map(pack, SERVICES):
        print(f"{artifact.name} {artifact.sha256} {artifact.path}")
