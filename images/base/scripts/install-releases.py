#!/usr/bin/env python3
"""Install Consul and Nomad from their release zips, or refuse.

A zip is trusted when its SHA-256 stands in the release's SHA256SUMS, and that file when its signature is by the key
given. Uses nothing but Python's library and gpgv, which apt brings along. From the environment: CONSUL_VERSION,
NOMAD_VERSION, RELEASES_URL, and RELEASES_KEY, the path of an armoured public key.
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

BIN = Path("/usr/local/bin")
ATTEMPTS = 3


class RefusedError(Exception):
    """A release cannot be had, or cannot be trusted; the message tells which and why."""


def dearmor(armoured: str) -> bytes:
    """The bytes of an OpenPGP public key block: its base64 lines, without headers and checksum.

    Raises:
        RefusedError: there is no such block.
    """
    _, begin, rest = armoured.partition("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    body, end, _ = rest.partition("-----END PGP PUBLIC KEY BLOCK-----")
    if not begin or not end:
        raise RefusedError("the releases key is not an armoured OpenPGP public key")
    lines = [line.strip() for line in body.strip().splitlines()]
    if "" in lines:
        lines = lines[lines.index("") + 1 :]
    return base64.b64decode(
        "".join(line for line in lines if not line.startswith("=") and ":" not in line)
    )


def download(url: str, to: Path) -> None:
    """Fetch ``url`` into ``to``; a broken connection or a server's error is tried again, a 4xx is final.

    Raises:
        RefusedError: it cannot be had.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer, to.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
            return
        except OSError as failed:
            final = isinstance(failed, urllib.error.HTTPError) and failed.code < 500
            if final or attempt == ATTEMPTS:
                raise RefusedError(f"{url}: {failed}") from failed
            time.sleep(2 * attempt)


def verify_signature(sums: Path, signature: Path, keyring: Path) -> None:
    """Check that a key of ``keyring`` signed ``sums``.

    Raises:
        RefusedError: it did not.
    """
    check = subprocess.run(
        ["gpgv", "--keyring", keyring, signature, sums], capture_output=True, text=True, check=False
    )
    if check.returncode:
        raise RefusedError(
            f"the signature of {sums.name} is not by the given key:\n{check.stderr.strip()}"
        )


def verify_checksum(archive: Path, sums: Path) -> None:
    """Check ``archive`` against its line in ``sums``.

    Raises:
        RefusedError: there is no such line, or the hash differs.
    """
    listed = {
        name: digest
        for digest, name in (line.split() for line in sums.read_text().splitlines() if line.strip())
    }
    if archive.name not in listed:
        raise RefusedError(f"{sums.name} does not list {archive.name}")
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    if actual != listed[archive.name]:
        raise RefusedError(
            f"{archive.name} has SHA-256 {actual}, but {sums.name} says {listed[archive.name]}"
        )


def install(tool: str, version: str, releases_url: str, architecture: str, keyring: Path) -> str:
    """Download, verify and install one tool; returns a line that tells so.

    Raises:
        RefusedError: it cannot be had or trusted.
    """
    release = f"{releases_url.rstrip('/')}/{tool}/{version}"
    stem = f"{tool}_{version}"
    with tempfile.TemporaryDirectory() as scratch:
        archive, sums, signature = (
            Path(scratch, name)
            for name in (
                f"{stem}_linux_{architecture}.zip",
                f"{stem}_SHA256SUMS",
                f"{stem}_SHA256SUMS.sig",
            )
        )
        download(f"{release}/{sums.name}", sums)
        download(f"{release}/{signature.name}", signature)
        verify_signature(sums, signature, keyring)
        download(f"{release}/{archive.name}", archive)
        verify_checksum(archive, sums)
        fresh = BIN / f".{tool}.new"
        with (
            zipfile.ZipFile(archive) as zipped,
            zipped.open(tool) as binary,
            fresh.open("wb") as file,
        ):
            shutil.copyfileobj(binary, file, 1 << 20)
        fresh.chmod(0o755)
        fresh.replace(BIN / tool)
    return f"{tool} {version} installed: signature and checksum are good"


def main() -> int:
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    versions = {"consul": os.environ["CONSUL_VERSION"], "nomad": os.environ["NOMAD_VERSION"]}
    url = os.environ["RELEASES_URL"]
    try:
        with tempfile.NamedTemporaryFile(suffix=".gpg") as keyring, ThreadPoolExecutor() as pool:
            keyring.write(dearmor(Path(os.environ["RELEASES_KEY"]).read_text()))
            keyring.flush()
            installs = [
                pool.submit(install, tool, version, url, architecture, Path(keyring.name))
                for tool, version in versions.items()
            ]
            for done in installs:
                print(done.result(), flush=True)
    except RefusedError as refused:
        print(f"install-releases: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
