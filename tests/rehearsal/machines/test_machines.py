"""Droplets on real machines, through the API: power, disk, keys, and what a crash leaves."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rehearsal.config import CloudConfig
from rehearsal.lifecycle import clouds, leak_check, process
from rehearsal.lifecycle.environment import ssh_key_path

NAME = "machinetest"


class Owner:
    """Somebody with an account in the cloud and a key."""

    def __init__(self, config: CloudConfig) -> None:
        self.config = config
        self._key = ssh_key_path(config)
        public = self._key.with_suffix(".pub").read_text()
        self.key_id = self.api("/v2/account/keys", "POST", name="owner", public_key=public)[
            "ssh_key"
        ]["id"]

    def api(self, path: str, method: str = "GET", **body: Any) -> Any:
        answer = requests.request(
            method,
            self.config.api_url + path,
            headers={"Authorization": f"Bearer {self.config.token}"},
            json=body or None,
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def ask(self, name: str, **more: Any) -> int:
        image = more.pop("image", "debian-12-x64")
        droplet = self.api(
            "/v2/droplets",
            "POST",
            name=name,
            region="nyc3",
            size="s-1vcpu-1gb",
            image=image,
            ssh_keys=[self.key_id],
            **more,
        )
        return int(droplet["droplet"]["id"])

    def make(self, name: str, **more: Any) -> int:
        droplet = self.ask(name, **more)
        self.until(droplet, "active")
        return droplet

    def droplet(self, droplet: int) -> Any:
        return self.api(f"/v2/droplets/{droplet}")["droplet"]

    def until(self, droplet: int, status: str) -> None:
        eventually(
            lambda: (
                self.droplet(droplet)["status"] == status and not self.droplet(droplet)["locked"]
            )
        )

    def act(self, droplet: int, kind: str, **more: Any) -> None:
        """Start an action and wait for its end."""
        action = self.api(f"/v2/droplets/{droplet}/actions", "POST", type=kind, **more)["action"]
        eventually(
            lambda: self.api(f"/v2/actions/{action['id']}")["action"]["status"] != "in-progress"
        )
        assert self.api(f"/v2/actions/{action['id']}")["action"]["status"] == "completed"

    def address(self, droplet: int) -> str:
        return next(
            str(one["ip_address"])
            for one in self.droplet(droplet)["networks"]["v4"]
            if one["type"] == "public"
        )

    def ssh(self, droplet: int, command: str) -> str:
        """What the command printed, once the droplet lets us in."""
        chosen = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=2",
        )
        options = [word for option in chosen for word in ("-o", option)]
        line = ["ssh", *options, "-i", str(self._key), f"root@{self.address(droplet)}", command]
        done: list[subprocess.CompletedProcess[str]] = []

        def let_in() -> bool:
            done[:] = [
                subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
            ]
            return done[0].returncode != 255  # ssh's own failure

        eventually(let_in)
        assert done[0].returncode == 0, done[0].stderr
        return done[0].stdout.strip()


def eventually(seek: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not seek():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def owner() -> Iterator[Owner]:
    try:
        yield Owner(clouds.up(NAME, "nspawn"))
    finally:
        assert clouds.down(NAME) == []


@pytest.fixture
def swept(owner: Owner) -> Iterator[Owner]:
    """The owner's cloud; the droplets and snapshots that the test made are removed after it."""
    yield owner
    eventually(
        lambda: not any(droplet["locked"] for droplet in owner.api("/v2/droplets")["droplets"])
    )
    for droplet in owner.api("/v2/droplets")["droplets"]:
        owner.api(f"/v2/droplets/{droplet['id']}", "DELETE")
    eventually(lambda: not owner.api("/v2/droplets")["droplets"])
    for image in owner.api("/v2/images?private=true")["images"]:
        owner.api(f"/v2/images/{image['id']}", "DELETE")


def test_droplets_side_by_side_have_their_names_keys_and_user_data(swept: Owner) -> None:
    text = "#cloud-config\nwrite_files: [{path: /etc/told, content: hello}]\n"
    asked = {name: swept.ask(name, user_data=text) for name in ("one", "two", "three")}
    for name, droplet in asked.items():
        swept.until(droplet, "active")
        assert swept.ssh(
            droplet, "hostname; cloud-init status --wait >/dev/null; cat /etc/told"
        ).split() == [name, "hello"]
    metadata = "curl --silent http://169.254.169.254/metadata/v1/id"
    assert swept.ssh(asked["two"], metadata) == str(asked["two"])


def test_power_off_on_and_reboot(swept: Owner) -> None:
    droplet = swept.make("powered")
    swept.ssh(droplet, "echo kept > /srv/kept; sync")
    first = swept.ssh(
        droplet,
        "cat /proc/sys/kernel/random/boot_id; systemctl show --value -p UserspaceTimestampMonotonic",
    )
    swept.act(droplet, "power_off")
    assert swept.droplet(droplet)["status"] == "off"
    with pytest.raises(OSError, match=r"timed out|No route"):
        socket.create_connection((swept.address(droplet), 22), timeout=2)
    swept.act(droplet, "power_on")
    swept.until(droplet, "active")
    assert swept.ssh(droplet, "cat /srv/kept") == "kept"
    second = swept.ssh(
        droplet,
        "cat /proc/sys/kernel/random/boot_id; systemctl show --value -p UserspaceTimestampMonotonic",
    )
    assert first != second
    swept.act(droplet, "reboot")
    eventually(
        lambda: (
            swept.ssh(droplet, "systemctl show --value -p UserspaceTimestampMonotonic")
            not in second
        )
    )
    assert swept.ssh(droplet, "cat /srv/kept") == "kept"


def test_a_snapshot_makes_droplets_with_its_files(swept: Owner) -> None:
    droplet = swept.make("original")
    swept.ssh(
        droplet,
        "rm /etc/motd; rm -r /etc/apt; mkdir /etc/apt; echo new > /etc/apt/only; echo inside > /srv/file",
    )
    swept.act(droplet, "shutdown")
    swept.act(droplet, "snapshot", name="kept")
    [snapshot] = swept.api(f"/v2/droplets/{droplet}/snapshots")["snapshots"]
    copy = swept.make("-copy", image=snapshot["id"])
    assert swept.ssh(copy, "cat /srv/file; hostname; ls /etc/apt; test ! -e /etc/motd").split() == [
        "inside",
        "copy",
        "only",
    ]
    swept.act(copy, "rebuild", image="debian-12-x64")
    swept.until(copy, "active")
    assert swept.ssh(copy, "ls /etc/motd; ls -d /srv/file 2>/dev/null || true") == "/etc/motd"


def test_a_bigger_size_gives_more_memory(swept: Owner) -> None:
    droplet = swept.make("growing")
    swept.act(droplet, "power_off")
    swept.act(droplet, "resize", size="s-2vcpu-2gb")
    swept.act(droplet, "power_on")
    swept.until(droplet, "active")
    expected = [str(2048), str(min(2, len(os.sched_getaffinity(0))))]
    assert swept.ssh(droplet, "free -m | awk '/Mem:/ {print $2}'; nproc").split() == expected


def test_a_killed_api_finds_its_droplets_and_ends_what_it_began(swept: Owner) -> None:
    alive = swept.make("alive")
    since = swept.ssh(alive, "systemctl show --value -p UserspaceTimestampMonotonic")
    begun = swept.ask("begun")
    os.kill(int((swept.config.directory / "api.pid").read_text()), signal.SIGKILL)
    eventually(lambda: not process.is_ready(swept.config))
    clouds.up(NAME, "nspawn")
    swept.until(begun, "active")
    assert swept.ssh(begun, "hostname") == "begun"
    assert swept.ssh(alive, "systemctl show --value -p UserspaceTimestampMonotonic") == since


def test_nothing_is_left_after_a_crash(tmp_path: Path) -> None:
    """Every process of the cloud is killed, and `down` still clears it all."""
    name = "crashtest"
    try:
        owner = Owner(clouds.up(name, "nspawn"))
        owner.make("orphan")
        for file in ("api.pid", "inside.pid"):
            os.kill(int((owner.config.directory / file).read_text()), signal.SIGKILL)
        assert leak_check.find_leaks(name) != []
    finally:
        down = subprocess.run(
            [sys.executable, "-m", "rehearsal", "down", "--cloud", name],
            capture_output=True,
            text=True,
            check=False,
        )
    assert down.returncode == 0, down.stderr
    assert leak_check.find_leaks(name) == []
