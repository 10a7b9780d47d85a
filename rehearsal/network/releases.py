"""The release server: the tools as their vendor's download site lays them out, signed with a key of the cloud's own.

``/consul/1.22.3/`` holds the zip, its SHA256SUMS and a detached signature of those. Whoever installs from here must
be given the cloud's public key, ``releases-key.asc`` in its directory, in place of the vendor's.
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
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can hold: the same binary gives the same zip, whenever it is packed."""


def publish(config: CloudConfig, tool: str, version: str, binary: Path) -> None:
    """Offer ``binary`` as the release ``version`` of ``tool`` for this machine's architecture, in place of what was there.

    Raises:
        subprocess.CalledProcessError: gpg failed.
    """
    release = _root(config) / tool / version
    release.mkdir(parents=True, exist_ok=True)
    archive = release / f"{tool}_{version}_linux_{ARCHITECTURES[platform.machine()]}.zip"
    packed = _packed(tool, binary)
    archive.unlink(missing_ok=True)
    archive.symlink_to(packed)
    sums = release / f"{tool}_{version}_SHA256SUMS"
    sums.write_text(f"{packed.stem}  {archive.name}\n")
    _sign(config, sums)


def handler(config: CloudConfig) -> partial[SimpleHTTPRequestHandler]:
    """What serves the releases, for ``http.server``."""
    _root(config).mkdir(parents=True, exist_ok=True)
    return partial(SimpleHTTPRequestHandler, directory=str(_root(config)))


def _root(config: CloudConfig) -> Path:
    return config.directory / "releases"


def _packed(tool: str, binary: Path) -> Path:
    """The binary's zip, named by its SHA-256: packed once for all clouds, and again when the binary is another."""
    facts = binary.resolve().stat()
    home = (
        paths.cache_root()
        / "releases"
        / f"{tool}-{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ino}"
    )
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
            building = Path(temporary) / home.name
            building.mkdir()
            archive = building / "packing"
            _pack(archive, tool, binary)
            with archive.open("rb") as file:
                archive.rename(building / f"{hashlib.file_digest(file, 'sha256').hexdigest()}.zip")
            with contextlib.suppress(OSError):  # another cloud was faster
                building.rename(home)
    return next(home.iterdir())


def _pack(archive: Path, tool: str, binary: Path) -> None:
    """Store, not deflate: it travels within this machine only."""
    entry = zipfile.ZipInfo(tool, EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    with (
        zipfile.ZipFile(archive, "w") as zipped,
        zipped.open(entry, "w", force_zip64=True) as target,
        binary.open("rb") as source,
    ):
        while chunk := source.read(1 << 20):
            target.write(chunk)


def _sign(config: CloudConfig, file: Path) -> None:
    """Write ``file.sig``, a binary detached signature, with the cloud's key, which is made the first time."""
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
        # gpg leaves an agent behind.
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
