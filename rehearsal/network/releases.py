"""The release server: tools in the layout of their vendor's download site, signed by the cloud.

``/consul/1.22.3/`` has the zip, its SHA256SUMS and a detached signature. An installer needs the
cloud's public key, ``releases-key.asc`` in its directory, in place of the vendor's.
"""

import contextlib
import hashlib
import platform
import subprocess
import tempfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from rehearsal import paths
from rehearsal.config import CloudConfig
from rehearsal.subprocesses import CHILD_ENVIRONMENT

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest date of the format. A fixed date makes the zip of a binary reproducible."""
COPY_BYTES = 1 << 20


def publish(config: CloudConfig, tool: str, version: str, binary: Path) -> None:
    """Publish ``binary`` as the release ``version`` of ``tool`` for this machine's architecture.

    Raises:
        subprocess.CalledProcessError: gpg failed.
    """
    release = _root(config) / tool / version
    release.mkdir(parents=True, exist_ok=True)
    archive = release / f"{tool}_{version}_linux_{ARCHITECTURES[platform.machine()]}.zip"
    packed = _find_or_pack(tool, binary)
    archive.unlink(missing_ok=True)
    archive.symlink_to(packed)
    sums = release / f"{tool}_{version}_SHA256SUMS"
    sums.write_text(f"{packed.stem}  {archive.name}\n")
    _sign(config, sums)


def create_handler(config: CloudConfig) -> partial[SimpleHTTPRequestHandler]:
    """Return the request handler for ``http.server``."""
    _root(config).mkdir(parents=True, exist_ok=True)
    return partial(SimpleHTTPRequestHandler, directory=str(_root(config)))


def _root(config: CloudConfig) -> Path:
    return config.directory / "releases"


def _find_or_pack(tool: str, binary: Path) -> Path:
    """Return the binary's zip, named by its SHA-256; all clouds share it."""
    status = binary.resolve().stat()
    key = f"{tool}-{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
    home = paths.cache_root() / "releases" / key
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
            building = Path(temporary) / home.name
            building.mkdir()
            archive = building / "packing"
            _pack(archive, tool, binary)
            with archive.open("rb") as file:
                archive.rename(building / f"{hashlib.file_digest(file, 'sha256').hexdigest()}.zip")
            with contextlib.suppress(OSError):  # another cloud packed it first
                building.rename(home)
    return next(home.iterdir())


def _pack(archive: Path, tool: str, binary: Path) -> None:
    """Write the zip without compression: it does not leave this machine."""
    entry = zipfile.ZipInfo(tool, ZIP_DATE)
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    with (
        zipfile.ZipFile(archive, "w") as zipped,
        zipped.open(entry, "w", force_zip64=True) as target,
        binary.open("rb") as source,
    ):
        while chunk := source.read(COPY_BYTES):
            target.write(chunk)


def _sign(config: CloudConfig, file: Path) -> None:
    """Write ``file.sig``, a binary detached signature; create the cloud's key if there is none."""
    home = config.directory / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    owner = f"releases@{config.domain}"
    public = config.directory / "releases-key.asc"
    signature = file.with_name(f"{file.name}.sig")
    try:
        if not public.exists():
            _gpg(home, "--passphrase", "", "--quick-gen-key", owner, "ed25519", "sign", "never")
            public.write_text(_gpg(home, "--armor", "--export", owner))
        _gpg(
            home,
            "--yes",
            "--local-user",
            owner,
            "--output",
            str(signature),
            "--detach-sign",
            str(file),
        )
    finally:
        # gpg starts an agent that would keep running.
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "all"],
            env=CHILD_ENVIRONMENT,
            check=True,
            capture_output=True,
        )


def _gpg(home: Path, *arguments: str) -> str:
    command = ["gpg", "--batch", "--quiet", "--homedir", str(home), *arguments]
    return subprocess.run(
        command, env=CHILD_ENVIRONMENT, check=True, capture_output=True, text=True
    ).stdout
