"""Releases: the vendor's layout, signatures as an installer checks them, reproducible zips."""

import functools
import subprocess
import threading
import urllib.error
import urllib.request
import zipfile
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from rehearsal.config import CloudConfig
from rehearsal.lifecycle import preparation
from rehearsal.network import releases
from rehearsal.network.releases import ARCHITECTURES, publish
from toolchain import tools
from toolchain.tools import InstalledTool
from toolchain.versions import Tool, older_tools, pinned_tools

BINARY = b"\x7fELF" + bytes(range(256)) * 100
STEM = "consul_1.22.3"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))
    config = CloudConfig(
        name="test",
        index=0,
        machines="memory",
        port=1,
        token="t",
        spaces_key="k",
        spaces_secret="s",
    )
    config.directory.mkdir(parents=True)
    return config


@pytest.fixture
def release(config: CloudConfig, tmp_path: Path) -> Path:
    """The directory of one published release."""
    (tmp_path / "consul").write_bytes(BINARY)
    publish(config, "consul", "1.22.3", tmp_path / "consul")
    return config.directory / "releases/consul/1.22.3"


@functools.cache
def architecture() -> str:
    machine = subprocess.run(
        ["uname", "-m"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return ARCHITECTURES[machine]


def is_signed(config: CloudConfig, release: Path, tmp_path: Path) -> bool:
    """Return whether gpgv accepts the signature of the checksums with the cloud's public key."""
    keyring = tmp_path / "keyring"
    armoured = (config.directory / "releases-key.asc").read_bytes()
    keyring.write_bytes(
        subprocess.run(["gpg", "--dearmor"], input=armoured, check=True, capture_output=True).stdout
    )
    sums = release / f"{STEM}_SHA256SUMS"
    check = subprocess.run(
        ["gpgv", "--keyring", keyring, f"{sums}.sig", sums], check=False, capture_output=True
    )
    return check.returncode == 0


def test_the_zip_contains_the_executable_binary(release: Path) -> None:
    with zipfile.ZipFile(release / f"{STEM}_linux_{architecture()}.zip") as zipped:
        (entry,) = zipped.infolist()
        assert (entry.filename, entry.external_attr >> 16) == ("consul", 0o100755)
        assert zipped.read("consul") == BINARY


def test_the_checksums_match_the_zip(release: Path) -> None:
    subprocess.run(
        ["sha256sum", "--check", "--strict", f"{STEM}_SHA256SUMS"],
        cwd=release,
        check=True,
        capture_output=True,
    )


def test_the_signature_is_valid_until_the_checksums_change(
    config: CloudConfig, release: Path, tmp_path: Path
) -> None:
    assert is_signed(config, release, tmp_path)
    sums = release / f"{STEM}_SHA256SUMS"
    sums.write_text(sums.read_text().replace("consul", "Consul"))
    assert not is_signed(config, release, tmp_path)


def test_publishing_again_keeps_zip_and_key(
    config: CloudConfig, release: Path, tmp_path: Path
) -> None:
    archive = release / f"{STEM}_linux_{architecture()}.zip"
    zipped, key = archive.read_bytes(), (config.directory / "releases-key.asc").read_bytes()
    archive.unlink()
    archive.write_bytes(b"broken")
    publish(config, "consul", "1.22.3", tmp_path / "consul")
    assert archive.read_bytes() == zipped
    assert (config.directory / "releases-key.asc").read_bytes() == key
    assert is_signed(config, release, tmp_path)


def test_no_gpg_agent_is_left(config: CloudConfig, release: Path) -> None:
    home = str(config.directory / "gnupg").encode()
    commands = (
        entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()
    )
    assert not [command for command in commands if home in command]


def test_the_server_serves_no_files_above_its_directory(config: CloudConfig, release: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), releases.create_handler(config)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_port}"
            with urllib.request.urlopen(f"{base}/consul/1.22.3/{STEM}_SHA256SUMS") as answer:
                assert answer.read() == (release / f"{STEM}_SHA256SUMS").read_bytes()
            for path in ("consul/1.22.4/x", "../releases-key.asc", "%2e%2e/releases-key.asc"):
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(f"{base}/{path}")
        finally:
            server.shutdown()
            thread.join()


def test_older_versions_are_published_if_they_are_installed(
    config: CloudConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binary").write_bytes(BINARY)
    older = {tool.version for tool in older_tools()}
    installed = {"1.22.2"}

    def find(tool: Tool) -> InstalledTool | None:
        if tool.version in older - installed:
            return None
        path = tmp_path / "binary"
        return InstalledTool(tool=tool, path=path, version=tool.version, origin="built")

    monkeypatch.setattr(tools, "find", find)
    preparation.publish_releases(config)
    published = {path.name for path in (config.directory / "releases").glob("*/*")}
    pinned = {tool.version for tool in pinned_tools() if tool.name in preparation.RELEASED_TOOLS}
    assert published == pinned | installed
