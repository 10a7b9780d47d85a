#!/usr/bin/env python3
"""Install Consul and Nomad from their release zip files, after verifying them.

The SHA-256 of a zip file must be in the release's SHA256SUMS, and the signature of that file must
be by the given key. The script needs Python's standard library and gpgv, which apt depends on.

Environment: CONSUL_VERSION, NOMAD_VERSION, RELEASES_URL, and RELEASES_KEY, the path of an armoured
public key.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BIN_DIR = Path("/usr/local/bin")
MAX_ATTEMPTS = 3
DOWNLOAD_TIMEOUT_S = 60
RETRY_DELAY_S = 2
CHUNK_BYTES = 1 << 20


class ReleaseError(Exception):
    """A release cannot be downloaded or verified; the message names the file and the cause."""


def dearmor(armoured: str) -> bytes:
    """Return the bytes of an OpenPGP public key block: its base64 lines, decoded.

    Raises:
        ReleaseError: the text has no such block.
    """
    _, begin, rest = armoured.partition("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    body, end, _ = rest.partition("-----END PGP PUBLIC KEY BLOCK-----")
    if not begin or not end:
        raise ReleaseError("the releases key is not an armoured OpenPGP public key")
    lines = [line.strip() for line in body.strip().splitlines()]
    if "" in lines:
        lines = lines[lines.index("") + 1 :]
    return base64.b64decode(
        "".join(line for line in lines if not line.startswith("=") and ":" not in line)
    )


def download(url: str, to: Path) -> None:
    """Download ``url`` to the file ``to``; retry after connection errors and 5xx responses.

    Raises:
        ReleaseError: the download failed.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with (
                urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as response,
                to.open("wb") as file,
            ):
                shutil.copyfileobj(response, file, CHUNK_BYTES)
            return
        except OSError as error:
            is_final = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if is_final or attempt == MAX_ATTEMPTS:
                raise ReleaseError(f"{url}: {error}") from error
            time.sleep(RETRY_DELAY_S * attempt)


def verify_signature(sums: Path, signature: Path, keyring: Path) -> None:
    """Verify that a key of ``keyring`` signed ``sums``.

    Raises:
        ReleaseError: none did.
    """
    check = subprocess.run(
        ["gpgv", "--keyring", keyring, signature, sums], capture_output=True, text=True, check=False
    )
    if check.returncode:
        raise ReleaseError(
            f"the signature of {sums.name} is not by the given key:\n{check.stderr.strip()}"
        )


def verify_checksum(archive: Path, sums: Path) -> None:
    """Verify ``archive`` against its line in ``sums``.

    Raises:
        ReleaseError: there is no such line, or the hash differs.
    """
    lines = [line.split() for line in sums.read_text().splitlines() if line.strip()]
    digests = {name: digest for digest, name in lines}
    if archive.name not in digests:
        raise ReleaseError(f"{sums.name} does not list {archive.name}")
    actual, expected = hashlib.sha256(archive.read_bytes()).hexdigest(), digests[archive.name]
    if actual != expected:
        raise ReleaseError(f"{archive.name} has SHA-256 {actual}, but {sums.name} says {expected}")


def install(tool: str, version: str, releases_url: str, architecture: str, keyring: Path) -> str:
    """Download, verify and install one tool; return a message that states it.

    Raises:
        ReleaseError: the release cannot be downloaded or verified.
    """
    release = f"{releases_url.rstrip('/')}/{tool}/{version}"
    prefix = f"{tool}_{version}"
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory, f"{prefix}_linux_{architecture}.zip")
        sums = Path(directory, f"{prefix}_SHA256SUMS")
        signature = Path(directory, f"{prefix}_SHA256SUMS.sig")
        download(f"{release}/{sums.name}", sums)
        download(f"{release}/{signature.name}", signature)
        verify_signature(sums, signature, keyring)
        download(f"{release}/{archive.name}", archive)
        verify_checksum(archive, sums)
        new = BIN_DIR / f".{tool}.new"
        with (
            zipfile.ZipFile(archive) as zipped,
            zipped.open(tool) as binary,
            new.open("wb") as file,
        ):
            shutil.copyfileobj(binary, file, CHUNK_BYTES)
        new.chmod(0o755)
        new.replace(BIN_DIR / tool)
    return f"{tool} {version} installed: signature and checksum are good"


def main() -> int:
    """Install both tools in parallel; return 1 and print the cause if that fails."""
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    versions = {"consul": os.environ["CONSUL_VERSION"], "nomad": os.environ["NOMAD_VERSION"]}
    url = os.environ["RELEASES_URL"]
    try:
        with tempfile.NamedTemporaryFile(suffix=".gpg") as keyring, ThreadPoolExecutor() as pool:
            keyring.write(dearmor(Path(os.environ["RELEASES_KEY"]).read_text()))
            keyring.flush()
            futures = [
                pool.submit(install, tool, version, url, architecture, Path(keyring.name))
                for tool, version in versions.items()
            ]
            for future in futures:
                print(future.result(), flush=True)
    except ReleaseError as error:
        print(f"install-releases: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
