"""Releases are installed only if signature and checksum are valid."""

import hashlib
import importlib.util
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.images.support.programs import IMAGE


def gpg(home: Path, *arguments: str) -> str:
    """Run gpg with the keyring of ``home`` and return its output."""
    return subprocess.run(
        ["gpg", "--batch", "--quiet", "--homedir", str(home), *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class Releases:
    """The directory of a release server, and the key that signs its releases."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.directory, self._home = directory, home
        home.mkdir(mode=0o700)
        gpg(home, "--passphrase", "", "--quick-gen-key", "releases", "ed25519", "sign", "never")
        self.key = gpg(home, "--armor", "--export", "releases")
        self.url = ""

    def publish(self) -> Path:
        """Publish consul 1.0.0 and return its directory."""
        folder = self.directory / "consul/1.0.0"
        folder.mkdir(parents=True)
        archive = folder / "consul_1.0.0_linux_amd64.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("consul", "#!/bin/sh\n")
            zipped.writestr("LICENSE.txt", "ours")
        sums = folder / "consul_1.0.0_SHA256SUMS"
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        sums.write_text(f"{'0' * 64}  consul_1.0.0_darwin_arm64.zip\n{digest}  {archive.name}\n")
        gpg(self._home, "--output", f"{sums}.sig", "--detach-sign", str(sums))
        return folder


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    directory, home = tmp_path / "releases", tmp_path / "gnupg"
    directory.mkdir()
    releases = Releases(directory, home)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    releases.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield releases
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, capture_output=True
        )


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "install_releases", IMAGE / "scripts/install-releases.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(module, "BIN_DIR", tmp_path / "bin")
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 1)
    return module


@pytest.fixture
def install(script: ModuleType, releases: Releases, tmp_path: Path) -> Callable[[], str]:
    def run() -> str:
        keyring = tmp_path / "key.gpg"
        keyring.write_bytes(script.dearmor(releases.key))
        message: str = script.install("consul", "1.0.0", releases.url, "amd64", keyring)
        return message

    return run


def test_a_valid_release_can_be_installed_twice(
    install: Callable[[], str], releases: Releases, tmp_path: Path
) -> None:
    releases.publish()
    for _ in range(2):
        assert install() == "consul 1.0.0 installed: signature and checksum are good"
    assert [file.name for file in (tmp_path / "bin").iterdir()] == ["consul"]
    assert (tmp_path / "bin/consul").stat().st_mode & 0o777 == 0o755


def append_byte(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: append_byte(folder / "consul_1.0.0_linux_amd64.zip"),
            r"consul_1\.0\.0_linux_amd64\.zip has SHA-256 [0-9a-f]{64}, but .* says",
        ),
        (
            lambda folder: append_byte(folder / "consul_1.0.0_SHA256SUMS"),
            r"the signature of consul_1\.0\.0_SHA256SUMS is not by the given key",
        ),
        (
            lambda folder: (folder / "consul_1.0.0_SHA256SUMS.sig").unlink(),
            r"SHA256SUMS\.sig: HTTP Error 404",
        ),
        (
            lambda folder: (folder / "consul_1.0.0_linux_amd64.zip").unlink(),
            r"amd64\.zip: HTTP Error 404",
        ),
    ],
)
def test_a_damaged_release_is_refused(
    install: Callable[[], str],
    script: ModuleType,
    releases: Releases,
    tmp_path: Path,
    damage: Callable[[Path], None],
    message: str,
) -> None:
    damage(releases.publish())
    with pytest.raises(script.ReleaseError, match=message):
        install()
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_signature_by_another_key_is_refused(
    install: Callable[[], str], script: ModuleType, releases: Releases, tmp_path: Path
) -> None:
    releases.publish()
    releases.key = (IMAGE / "keys/hashicorp.asc").read_text()
    with pytest.raises(script.ReleaseError, match="is not by the given key"):
        install()
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_text_that_is_not_an_openpgp_key_is_refused(script: ModuleType) -> None:
    with pytest.raises(script.ReleaseError, match="not an armoured OpenPGP public key"):
        script.dearmor("ssh-ed25519 AAAA")


def test_the_default_key_has_hashicorp_s_fingerprint(script: ModuleType, tmp_path: Path) -> None:
    """HashiCorp publishes the fingerprint on its site."""
    keyring = tmp_path / "vendor.gpg"
    keyring.write_bytes(script.dearmor((IMAGE / "keys/hashicorp.asc").read_text()))
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    output = gpg(home, "--with-colons", "--show-keys", str(keyring))
    fingerprints = [line.split(":")[9] for line in output.splitlines() if line.startswith("fpr:")]
    assert fingerprints[0] == "C874011F0AB405110D02105534365D9472D7468F"
