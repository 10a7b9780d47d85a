"""The base image, built by the real Packer: when it is built, and what a failure leaves behind."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.command_lines import CommandLineRecorder
from tests.stack.rig import CommandResult, Rig, wait_for

IMAGE_ONLY = """
import pulumi

from infra.image.base_image import BaseImage, BaseImageArgs
from infra.preflight import preflight
from infra.state_format import STATE_FORMAT

args = BaseImageArgs.from_settings(preflight().settings)
pulumi.export("image", BaseImage("image", args).name)
pulumi.export("format", STATE_FORMAT)
"""
"""A program with the image alone.

The stack's program cannot be targeted at it, because its providers depend on machines.
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A cloud that holds nothing but the image."""
    rig = Rig("imagetest", tmp_path_factory.mktemp("checkout"))
    try:
        rig.start()
        rig.write_permanently("__main__.py", IMAGE_ONLY)
        rig.up()
        yield rig
    finally:
        rig.stop()


@pytest.fixture
def rig(cloud: Rig) -> Iterator[Rig]:
    yield cloud
    cloud.reset()


def _build(rig: Rig, **variables: str) -> CommandResult:
    return rig.deploy("up", "--yes", **variables)


def _images(rig: Rig) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = rig.api("/v2/images?private=true")["images"]
    return images


def _append_to_script(rig: Rig, text: str) -> None:
    file = rig.directory / "images/base/scripts/install-node.sh"
    file.write_text(file.read_text() + text)


def _assert_only_images_remain(rig: Rig, images: list[dict[str, Any]]) -> None:
    assert rig.api("/v2/droplets")["droplets"] == []
    assert rig.api("/v2/account/keys")["ssh_keys"] == []
    assert [image["id"] for image in _images(rig)] == [image["id"] for image in images]


def test_unchanged_image_is_built_once(rig: Rig) -> None:
    before = _images(rig)
    assert _build(rig).code == 0
    assert len(before) == 1 and _images(rig) == before


def test_changed_script_builds_a_new_image(rig: Rig) -> None:
    [before] = _images(rig)
    _append_to_script(rig, "\n# changed\n")
    preview = rig.deploy("preview")
    assert "would be built" in preview.output, preview.output
    assert _images(rig) == [before]
    with CommandLineRecorder() as command_lines:
        result = _build(rig)
    assert result.code == 0, result.output[-3000:]
    assert command_lines.programs_with(rig.secrets) == []
    [after] = _images(rig)
    assert after["id"] != before["id"] and after["name"] != before["name"]
    _assert_only_images_remain(rig, [after])


def test_failed_script_leaves_nothing(rig: Rig) -> None:
    before = _images(rig)
    _append_to_script(rig, "\necho the disk is full >&2; exit 7\n")
    result = _build(rig)
    assert result.code != 0
    assert "install-node.sh" in result.output and "the disk is full" in result.output, (
        result.output[-3000:]
    )
    _assert_only_images_remain(rig, before)


def _release_directory(rig: Rig) -> Path:
    return Path(rig.environment["SLIPWAY_RELEASES_KEY"]).parent / "releases/consul/1.22.3"


@pytest.mark.parametrize(
    ("file", "message"),
    [("consul_1.22.3_linux_amd64.zip", "has sha-256"), ("consul_1.22.3_SHA256SUMS", "signature")],
)
def test_changed_release_is_rejected(rig: Rig, file: str, message: str) -> None:
    before = _images(rig)
    changed = _release_directory(rig) / file
    genuine = changed.read_bytes()
    _append_to_script(rig, f"\n# forces a build: {file}\n")
    try:
        changed.write_bytes(genuine + b"\n")
        result = _build(rig)
    finally:
        changed.write_bytes(genuine)
    assert result.code != 0 and message in result.output.lower(), result.output[-3000:]
    _assert_only_images_remain(rig, before)


def test_release_signed_with_another_key_is_rejected(rig: Rig, tmp_path: Path) -> None:
    before = _images(rig)
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback"]
    subprocess.run(
        [*gpg, "--passphrase", "", "--quick-gen-key", "stranger@example.com"],
        check=True,
        capture_output=True,
    )
    key = tmp_path / "stranger.asc"
    key.write_bytes(
        subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout
    )
    subprocess.run(
        ["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, capture_output=True
    )
    result = _build(rig, SLIPWAY_RELEASES_KEY=str(key))
    assert result.code != 0 and "signature" in result.output.lower(), result.output[-3000:]
    _assert_only_images_remain(rig, before)


def test_interrupted_build_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    """The second Ctrl-C stops Packer too, which deletes its droplet and its key."""
    before = _images(rig)
    _append_to_script(rig, "\nsleep 60\n")
    log = tmp_path / "log"
    with log.open("wb") as out:
        command = ["pulumi", "up", "--yes", "--stack", "dev", "--non-interactive"]
        update = subprocess.Popen(
            command, cwd=rig.directory, env=rig.environment, stdout=out, stderr=out
        )
    try:
        assert wait_for(
            lambda: any(droplet["status"] == "active" for droplet in rig.droplets().values())
        )
        update.send_signal(signal.SIGINT)
        assert wait_for(lambda: b"^C received" in log.read_bytes(), 20), log.read_text()
        update.send_signal(signal.SIGINT)
        update.wait(timeout=120)
    finally:
        update.kill()
    assert wait_for(lambda: not rig.droplets() and not rig.api("/v2/account/keys")["ssh_keys"])
    _assert_only_images_remain(rig, before)
    rig.pulumi("cancel", "--yes")


def test_provisioners_run_on_any_debian_machine(rig: Rig) -> None:
    """``images/local`` installs the node's software without creating an image."""
    before = _images(rig)
    key = rig.environment["SLIPWAY_SSH_KEY"]
    public = rig.environment["SLIPWAY_SSH_PUBLIC_KEY"]
    owner = rig.api("/v2/account/keys", "POST", name="contributor", public_key=public)["ssh_key"][
        "id"
    ]
    request = {
        "name": "workbench",
        "region": "nyc3",
        "size": "s-1vcpu-1gb",
        "image": "debian-12-x64",
        "ssh_keys": [owner],
    }
    droplet = rig.api("/v2/droplets", "POST", **request)["droplet"]["id"]
    try:
        assert wait_for(lambda: rig.droplets()["workbench"]["status"] == "active")
        result = rig.run("images/local", rig.address("workbench"), key)
        assert result.code == 0, result.output[-3000:]
        assert (
            rig.ssh(
                "workbench", "consul version && nomad version && systemctl is-enabled consul nomad"
            ).code
            == 0
        )
    finally:
        assert wait_for(lambda: not rig.droplets()["workbench"]["locked"])
        rig.api(f"/v2/droplets/{droplet}", "DELETE")
        rig.api(f"/v2/account/keys/{owner}", "DELETE")
        assert wait_for(lambda: not rig.droplets())
    _assert_only_images_remain(rig, before)
