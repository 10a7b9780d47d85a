"""Bringing a cloud up and taking it down again, whole, also after a crash."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import requests

from rehearsal import hosts, leftovers, paths, secrets_service
from rehearsal.catalog.regions import REGIONS
from rehearsal.config import NAME, PUBLIC_POOL, SLICE_PREFIX, CloudConfig
from rehearsal.environment import secrets_url, ssh_key
from rehearsal.machines.protocol import Machines
from rehearsal.releases import publish
from toolchain import plugins, tools
from toolchain.paths import ROOT
from toolchain.versions import tools as pinned

START_SECONDS = 60
STOP_SECONDS = 20
RELEASED = ("consul", "nomad")
"""The tools that images install from the release server."""


class LifecycleError(Exception):
    """A cloud cannot be brought up or down; the message says why and what to do."""


def clouds() -> list[str]:
    """The names of the clouds that exist on this machine, running or not."""
    home = paths.state_root() / "clouds"
    return sorted(file.parent.name for file in home.glob("*/cloud.json")) if home.exists() else []


def _free_index() -> int:
    taken = {CloudConfig.load(name).index for name in clouds()}
    for index in range(2 ** (SLICE_PREFIX - PUBLIC_POOL.prefixlen)):
        if index not in taken:
            return index
    raise LifecycleError(
        f"{len(taken)} clouds exist, and no more fit into {PUBLIC_POOL}: take one down with `python -m rehearsal down --cloud NAME`"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settle(name: str, machines: Literal["nspawn", "memory"], port: int | None) -> CloudConfig:
    """The cloud's facts: those it has, or new ones."""
    if not re.match(NAME, name):
        raise LifecycleError(f"{name} cannot name a cloud: take 1 to 20 lower-case letters and digits, a letter first")
    if name in clouds():
        config = CloudConfig.load(name)
        if port not in (None, config.port) or machines != config.machines:
            raise LifecycleError(
                f"cloud {name} exists with --machines {config.machines} --port {config.port}: take it down first to change that"
            )
        return config
    config = CloudConfig(
        name=name,
        index=_free_index(),
        machines=machines,
        port=port or _free_port(),
        token="dop_v1_" + secrets.token_hex(32),
        spaces_key="DO00" + secrets.token_hex(8).upper(),
        spaces_secret=secrets.token_urlsafe(32),
    )
    config.save()
    return config


def _keys(config: CloudConfig) -> None:
    """The operator's SSH key, and a home and a state backend for Pulumi."""
    key = ssh_key(config)
    if not key.exists():
        key.parent.mkdir(mode=0o700, exist_ok=True)
        comment = f"operator@{config.name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)], check=True, capture_output=True)
    home = config.directory / "pulumi-home"
    for directory in (config.directory / "pulumi", home):
        directory.mkdir(mode=0o700, exist_ok=True)
    if not (home / "plugins").is_symlink():
        (home / "plugins").symlink_to(plugins.pulumi_home() / "plugins")
    credentials = home / "credentials.json"
    credentials.touch(mode=0o600)
    credentials.write_text(secrets_service.credentials(secrets_url(config), config.token))


def _publish(config: CloudConfig) -> None:
    """Put the pinned Consul and Nomad on the release server, signed with the cloud's own key."""
    for tool in pinned():
        found = tools.find(tool) if tool.name in RELEASED else None
        if found is not None:
            publish(config, tool.name, tool.version, found.path)


def _resolve(config: CloudConfig) -> None:
    wanted = {f"{slug}.spaces.{config.domain}": config.spaces for slug in REGIONS}
    hosts.add(config.name, {**wanted, f"releases.{config.domain}": config.releases})


def resolve_buckets(config: CloudConfig, buckets: list[str]) -> None:
    """Make ``bucket.region.spaces.domain`` resolve on this machine: /etc/hosts knows no wildcard."""
    hosts.add(config.name, {f"{name}.{slug}.spaces.{config.domain}": config.spaces for slug in REGIONS for name in buckets})


def answers(config: CloudConfig) -> bool:
    """Whether the cloud's API is up and its machine kind has started."""
    try:
        return requests.get(f"{config.api_url}/_rehearsal/health", timeout=2).ok
    except requests.RequestException:
        return False


def _pid(config: CloudConfig) -> int | None:
    """The API's process, if it is alive."""
    try:
        pid = int((config.directory / "api.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if b"serve" in words and config.name.encode() in words else None


def up(name: str, machines: Literal["nspawn", "memory"], port: int | None = None) -> CloudConfig:
    """Bring the cloud up, or find it up; its state from before a crash or a reboot is used again.

    Raises:
        LifecycleError: not root, or the API does not start.
    """
    if machines == "nspawn" and os.geteuid() != 0:
        raise LifecycleError("machines of kind nspawn need root: run as root, or choose --machines memory")
    config = _settle(name, machines, port)
    if answers(config):
        return config
    _keys(config)
    if machines == "nspawn":
        _publish(config)
        _resolve(config)
    log = config.directory / "server.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "rehearsal", "serve", "--cloud", name],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    (config.directory / "api.pid").write_text(str(process.pid))
    for _ in _until(START_SECONDS):
        if answers(config):
            return config
        if process.poll() is not None:
            break
    tail = log.read_text(errors="replace").strip()[-1500:]
    raise LifecycleError(f"cloud {name} does not start; the end of {log}:\n{tail}")


def _until(seconds: float) -> Iterator[None]:
    """Poll: yields until ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)


def machines_of(config: CloudConfig) -> Machines:
    """The machine kind behind the cloud, without its API."""
    if config.machines == "memory":
        from rehearsal.machines.memory import MemoryMachines

        return MemoryMachines(config)
    from rehearsal.machines.nspawn import NspawnMachines

    return NspawnMachines(config)


def down(name: str) -> list[str]:
    """Take the cloud down with all that was in it; returns what is left of it on this machine, which should be nothing."""
    if name not in clouds():
        return leftovers.of(name)
    config = CloudConfig.load(name)
    _end_api(config)
    asyncio.run(machines_of(config).stop())
    if config.machines == "nspawn":
        hosts.remove(name)
    shutil.rmtree(config.directory)
    return leftovers.of(name)


def _end_api(config: CloudConfig) -> None:
    pid = _pid(config)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in _until(STOP_SECONDS):
            if _pid(config) is None:
                return
        os.kill(pid, signal.SIGKILL)
