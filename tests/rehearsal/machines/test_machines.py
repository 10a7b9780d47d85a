"""Droplets on real machines, through the API: power, disks, keys, and removal after a crash."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from rehearsal.config import CloudConfig
from rehearsal.lifecycle import clouds, leak_check, process
from rehearsal.lifecycle.environment import ssh_key_path
from rehearsal.machines import cgroups
from rehearsal.polling import wait_until

CLOUD = "machinetest"
TIMEOUT_S = 60
POLL_INTERVAL_S = 0.25
"""Slow enough for the API's rate limit."""
SSH_FAILURE = 255
"""The exit code of ssh if it does not connect."""
START_TIME = "systemctl show --value -p UserspaceTimestampMonotonic"


class User:
    """A user of the cloud with an SSH key."""

    def __init__(self, config: CloudConfig) -> None:
        self.config = config
        self._key = ssh_key_path(config)
        public = self._key.with_suffix(".pub").read_text()
        self.key_id = self.request("/v2/account/keys", "POST", name="user", public_key=public)[
            "ssh_key"
        ]["id"]

    def request(self, path: str, method: str = "GET", **body: Any) -> Any:
        answer = requests.request(
            method,
            self.config.api_url + path,
            headers={"Authorization": f"Bearer {self.config.token}"},
            json=body or None,
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def create(self, name: str, **fields: Any) -> int:
        """Request a droplet; return its id without waiting."""
        image = fields.pop("image", "debian-12-x64")
        droplet = self.request(
            "/v2/droplets",
            "POST",
            name=name,
            region="nyc3",
            size="s-1vcpu-1gb",
            image=image,
            ssh_keys=[self.key_id],
            **fields,
        )
        return int(droplet["droplet"]["id"])

    def create_active(self, name: str, **fields: Any) -> int:
        """Create a droplet; return its id once it is active."""
        droplet = self.create(name, **fields)
        self.wait_for_status(droplet, "active")
        return droplet

    def droplet(self, droplet: int) -> Any:
        return self.request(f"/v2/droplets/{droplet}")["droplet"]

    def wait_for_status(self, droplet: int, status: str) -> None:
        wait_for(
            lambda: (
                self.droplet(droplet)["status"] == status and not self.droplet(droplet)["locked"]
            )
        )

    def act(self, droplet: int, kind: str, **fields: Any) -> None:
        """Start an action and wait until it is completed."""
        action = self.request(f"/v2/droplets/{droplet}/actions", "POST", type=kind, **fields)[
            "action"
        ]
        wait_for(
            lambda: self.request(f"/v2/actions/{action['id']}")["action"]["status"] != "in-progress"
        )
        assert self.request(f"/v2/actions/{action['id']}")["action"]["status"] == "completed"

    def address(self, droplet: int) -> str:
        return next(
            str(network["ip_address"])
            for network in self.droplet(droplet)["networks"]["v4"]
            if network["type"] == "public"
        )

    def ssh(self, droplet: int, command: str) -> str:
        """Return the output of a command, which runs as soon as SSH accepts connections."""
        settings = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=2",
        )
        options = [word for setting in settings for word in ("-o", setting)]
        ssh = ["ssh", *options, "-i", str(self._key), f"root@{self.address(droplet)}", command]
        attempts: list[subprocess.CompletedProcess[str]] = []

        def is_connected() -> bool:
            attempts.append(
                subprocess.run(ssh, capture_output=True, text=True, timeout=60, check=False)
            )
            return attempts[-1].returncode != SSH_FAILURE

        wait_for(is_connected)
        assert attempts[-1].returncode == 0, attempts[-1].stderr
        return attempts[-1].stdout.strip()


def wait_for(condition: Callable[[], bool]) -> None:
    assert wait_until(condition, TIMEOUT_S, POLL_INTERVAL_S), "the condition does not hold in time"


@pytest.fixture(scope="module")
def cloud_user() -> Iterator[User]:
    try:
        yield User(clouds.up(CLOUD, "nspawn"))
    finally:
        assert clouds.down(CLOUD) == []


@pytest.fixture
def user(cloud_user: User) -> Iterator[User]:
    """The user; the droplets and snapshots of the test are deleted afterwards."""
    yield cloud_user
    wait_for(
        lambda: (
            not any(droplet["locked"] for droplet in cloud_user.request("/v2/droplets")["droplets"])
        )
    )
    for droplet in cloud_user.request("/v2/droplets")["droplets"]:
        cloud_user.request(f"/v2/droplets/{droplet['id']}", "DELETE")
    wait_for(lambda: not cloud_user.request("/v2/droplets")["droplets"])
    for image in cloud_user.request("/v2/images?private=true")["images"]:
        cloud_user.request(f"/v2/images/{image['id']}", "DELETE")


def test_droplets_get_their_names_keys_and_user_data(user: User) -> None:
    text = "#cloud-config\nwrite_files: [{path: /etc/greeting, content: hello}]\n"
    droplets = {name: user.create(name, user_data=text) for name in ("one", "two", "three")}
    for name, droplet in droplets.items():
        user.wait_for_status(droplet, "active")
        assert user.ssh(
            droplet, "hostname; cloud-init status --wait >/dev/null; cat /etc/greeting"
        ).split() == [name, "hello"]
    metadata = "curl --silent http://169.254.169.254/metadata/v1/id"
    assert user.ssh(droplets["two"], metadata) == str(droplets["two"])


def test_power_off_on_and_reboot(user: User) -> None:
    droplet = user.create_active("powered")
    user.ssh(droplet, "echo kept > /srv/kept; sync")
    first = user.ssh(droplet, f"cat /proc/sys/kernel/random/boot_id; {START_TIME}")
    user.act(droplet, "power_off")
    assert user.droplet(droplet)["status"] == "off"
    with pytest.raises(OSError, match=r"timed out|No route"):
        socket.create_connection((user.address(droplet), 22), timeout=2)
    user.act(droplet, "power_on")
    user.wait_for_status(droplet, "active")
    assert user.ssh(droplet, "cat /srv/kept") == "kept"
    second = user.ssh(droplet, f"cat /proc/sys/kernel/random/boot_id; {START_TIME}")
    assert first != second
    user.act(droplet, "reboot")
    wait_for(lambda: user.ssh(droplet, START_TIME) not in second)
    assert user.ssh(droplet, "cat /srv/kept") == "kept"


def test_a_droplet_from_a_snapshot_has_its_files(user: User) -> None:
    droplet = user.create_active("original")
    user.ssh(
        droplet,
        "rm /etc/motd; rm -r /etc/apt; mkdir /etc/apt; "
        "echo new > /etc/apt/only; echo inside > /srv/file",
    )
    user.act(droplet, "shutdown")
    user.act(droplet, "snapshot", name="kept")
    [snapshot] = user.request(f"/v2/droplets/{droplet}/snapshots")["snapshots"]
    copy = user.create_active("-copy", image=snapshot["id"])
    assert user.ssh(copy, "cat /srv/file; hostname; ls /etc/apt; test ! -e /etc/motd").split() == [
        "inside",
        "copy",
        "only",
    ]
    user.act(copy, "rebuild", image="debian-12-x64")
    user.wait_for_status(copy, "active")
    assert user.ssh(copy, "ls /etc/motd; ls -d /srv/file 2>/dev/null || true") == "/etc/motd"


def test_machines_get_more_processor_time_than_one_process_of_the_host(user: User) -> None:
    """At every level: the group of all clouds competes with the processes of the host."""
    droplet = user.create_active("busy")
    if cgroups.Group("").is_unified:
        path, file, default = cgroups.ROOT, "cpu.weight", 100
    else:
        path, file, default = cgroups.ROOT / "cpu", "cpu.shares", 1024
    cloud = next(path.rglob(str(droplet))).parent
    levels = [cloud, *cloud.relative_to(path).parents[:-1]]
    shares = [int((path / level / file).read_text()) for level in levels]
    assert len(shares) > 1 and set(shares) == {cgroups.CPU_SHARE_FACTOR * default}


def test_a_larger_size_has_more_memory_and_processors(user: User) -> None:
    droplet = user.create_active("growing")
    user.act(droplet, "power_off")
    user.act(droplet, "resize", size="s-2vcpu-2gb")
    user.act(droplet, "power_on")
    user.wait_for_status(droplet, "active")
    expected = [str(2048), str(min(2, len(os.sched_getaffinity(0))))]
    assert user.ssh(droplet, "free -m | awk '/Mem:/ {print $2}'; nproc").split() == expected


def test_a_killed_api_finds_its_droplets_and_completes_actions(user: User) -> None:
    alive = user.create_active("alive")
    started = user.ssh(alive, START_TIME)
    pending = user.create("pending")
    os.kill(int((user.config.directory / "api.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: not process.is_ready(user.config))
    clouds.up(CLOUD, "nspawn")
    user.wait_for_status(pending, "active")
    assert user.ssh(pending, "hostname") == "pending"
    assert user.ssh(alive, START_TIME) == started


def test_down_removes_a_crashed_cloud() -> None:
    """Every process of the cloud was killed before."""
    name = "crashtest"
    try:
        user = User(clouds.up(name, "nspawn"))
        user.create_active("orphan")
        for file in ("api.pid", "guest-services.pid"):
            os.kill(int((user.config.directory / file).read_text()), signal.SIGKILL)
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
