"""The base image, built by the real Packer on a real machine: when it is, when it is not, and what a failure leaves."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.command_lines import CommandLines
from tests.stack.rig import Done, Rig, eventually

IMAGE_ONLY = """
import pulumi

from infra.image import BaseImage, BaseImageArgs
from infra.preflight import preflight

settings = preflight().settings
args = BaseImageArgs(region=settings.region, consul_version=settings.consul_version, nomad_version=settings.nomad_version)
pulumi.export("image", BaseImage("image", args).name)
"""
"""A program with the image alone: the whole one's providers depend on machines, so it cannot be targeted."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A cloud with nothing in it but, once, the image."""
    rig = Rig("imagetest", tmp_path_factory.mktemp("checkout"))
    try:
        rig.start()
        rig.keep("__main__.py", IMAGE_ONLY)
        rig.up()
        yield rig
    finally:
        rig.stop()


@pytest.fixture
def rig(cloud: Rig) -> Iterator[Rig]:
    yield cloud
    cloud.reset()


def _build(rig: Rig, **more: str) -> Done:
    return rig.deploy("up", **more)


def _images(rig: Rig) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rig.api("/v2/images?private=true")["images"]
    return found


def _script(rig: Rig, more: str) -> None:
    file = rig.directory / "images/base/scripts/install-node.sh"
    file.write_text(file.read_text() + more)


def _nothing_was_left(rig: Rig, before: list[dict[str, Any]]) -> None:
    assert rig.api("/v2/droplets")["droplets"] == []
    assert rig.api("/v2/account/keys")["ssh_keys"] == []
    assert [image["id"] for image in _images(rig)] == [image["id"] for image in before]


def test_an_unchanged_image_is_built_once(rig: Rig) -> None:
    before = _images(rig)
    assert _build(rig).code == 0
    assert len(before) == 1 and _images(rig) == before


def test_a_changed_script_makes_a_new_image(rig: Rig) -> None:
    [before] = _images(rig)
    _script(rig, "\n# changed\n")
    preview = rig.deploy("preview")
    assert "would be built" in preview.said, preview.said
    assert _images(rig) == [before]
    with CommandLines() as seen:
        done = _build(rig)
    assert done.code == 0, done.said[-3000:]
    assert seen.naming(rig.secrets) == []
    [after] = _images(rig)
    assert after["id"] != before["id"] and after["name"] != before["name"]
    _nothing_was_left(rig, [after])


def test_a_script_that_fails_leaves_nothing(rig: Rig) -> None:
    before = _images(rig)
    _script(rig, "\necho the disk is made of cheese >&2; exit 7\n")
    done = _build(rig)
    assert done.code != 0
    assert "install-node.sh" in done.said and "made of cheese" in done.said, done.said[-3000:]
    _nothing_was_left(rig, before)


def _releases(rig: Rig) -> Path:
    return Path(rig.environment["SLIPWAY_RELEASES_KEY"]).parent / "releases/consul/1.22.3"


@pytest.mark.parametrize(
    ("file", "told"),
    [("consul_1.22.3_linux_amd64.zip", "has sha-256"), ("consul_1.22.3_SHA256SUMS", "signature")],
)
def test_a_changed_release_is_refused(rig: Rig, file: str, told: str) -> None:
    before = _images(rig)
    changed = _releases(rig) / file
    genuine = changed.read_bytes()
    _script(rig, f"\n# so that it is built: {file}\n")
    try:
        changed.write_bytes(genuine + b"\n")
        done = _build(rig)
    finally:
        changed.write_bytes(genuine)
    assert done.code != 0 and told in done.said.lower(), done.said[-3000:]
    _nothing_was_left(rig, before)


def test_releases_signed_by_another_key_are_refused(rig: Rig, tmp_path: Path) -> None:
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
    done = _build(rig, SLIPWAY_RELEASES_KEY=str(key))
    assert done.code != 0 and "signature" in done.said.lower(), done.said[-3000:]
    _nothing_was_left(rig, before)


def test_an_interrupted_build_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    """The second Ctrl-C ends Packer too: its droplet and key go, and no snapshot is left."""
    before = _images(rig)
    _script(rig, "\nsleep 60\n")
    said = tmp_path / "said"
    with said.open("wb") as out:
        command = ["pulumi", "up", "--yes", "--stack", "dev", "--non-interactive"]
        update = subprocess.Popen(
            command, cwd=rig.directory, env=rig.environment, stdout=out, stderr=out
        )
    try:
        assert eventually(
            lambda: any(droplet["status"] == "active" for droplet in rig.droplets().values())
        )
        update.send_signal(signal.SIGINT)
        assert eventually(lambda: b"^C received" in said.read_bytes(), 20), said.read_text()
        update.send_signal(signal.SIGINT)
        update.wait(timeout=120)
    finally:
        update.kill()
    assert eventually(lambda: not rig.droplets() and not rig.api("/v2/account/keys")["ssh_keys"])
    _nothing_was_left(rig, before)
    rig.pulumi("cancel", "--yes")


def test_the_provisioners_run_on_any_debian_machine_without_making_an_image(rig: Rig) -> None:
    before = _images(rig)
    key = rig.environment["SLIPWAY_SSH_KEY"]
    public = rig.environment["SLIPWAY_SSH_PUBLIC_KEY"]
    owner = rig.api("/v2/account/keys", "POST", name="contributor", public_key=public)["ssh_key"][
        "id"
    ]
    asked = {
        "name": "workbench",
        "region": "nyc3",
        "size": "s-1vcpu-1gb",
        "image": "debian-12-x64",
        "ssh_keys": [owner],
    }
    droplet = rig.api("/v2/droplets", "POST", **asked)["droplet"]["id"]
    try:
        assert eventually(lambda: rig.droplets()["workbench"]["status"] == "active")
        done = rig.run("images/local", rig.address("workbench"), key)
        assert done.code == 0, done.said[-3000:]
        assert (
            rig.ssh(
                "workbench", "consul version && nomad version && systemctl is-enabled consul nomad"
            ).code
            == 0
        )
    finally:
        assert eventually(lambda: not rig.droplets()["workbench"]["locked"])
        rig.api(f"/v2/droplets/{droplet}", "DELETE")
        rig.api(f"/v2/account/keys/{owner}", "DELETE")
        assert eventually(lambda: not rig.droplets())
    _nothing_was_left(rig, before)
