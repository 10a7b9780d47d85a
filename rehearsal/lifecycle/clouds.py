"""Bringing a cloud up, emptying it and taking it down again, whole, also after a crash."""

import os
import re
import secrets
import shutil
import subprocess
from typing import Any, Literal

from rehearsal import paths
from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import NAME, PUBLIC_POOL, CloudConfig
from rehearsal.lifecycle import leak_check, process, recovery
from rehearsal.lifecycle.environment import credentials, secrets_url, ssh_key
from rehearsal.lifecycle.reset import contents, empty
from rehearsal.network import hosts
from rehearsal.topology.protocol import Machines
from toolchain import plugins, tools
from toolchain.versions import tools as pinned

RELEASED = ("consul", "nomad")
"""The tools that images install from the release server."""
PORTS = range(1024, 65_536)
"""That a cloud may be given; those below are the system's."""


class LifecycleError(Exception):
    """A cloud cannot be brought up, emptied or taken down; the message says why and what to do."""


def clouds() -> list[str]:
    """The names of the clouds that exist on this machine, running or not, but whole."""
    return [name for name in recovery.names() if (paths.cloud_dir(name) / "cloud.json").exists()]


def find(name: str) -> CloudConfig:
    """The facts of a cloud that exists.

    Raises:
        LifecycleError: there is none of that name, or its facts are lost.
    """
    config = recovery.load(name)
    if config is None and name in recovery.names():
        raise LifecycleError(
            f"cloud {name} is damaged: {paths.cloud_dir(name) / 'cloud.json'} is missing or cannot be read; "
            f"remove what is left of it with `python -m rehearsal down --cloud {name}`"
        )
    if config is None:
        raise LifecycleError(
            f"there is no cloud {name}: bring it up with `make cloud` or `make rehearse`"
        )
    return config


def up(
    name: str,
    machines: Literal["nspawn", "memory"] | None = None,
    port: int | None = None,
    settings: dict[str, Any] | None = None,
) -> CloudConfig:
    """Bring the cloud up, or find it up; its state from before a crash or a reboot is used again.

    ``settings`` are times and limits, which an existing cloud takes over. Of what is not given, an existing cloud keeps what it has.

    Raises:
        LifecycleError: not root, bad input, or the API does not start.
    """
    is_new = name not in recovery.names()
    config = _new(name, machines or "nspawn", port) if is_new else _present(name, machines, port)
    if config.machines == "nspawn" and os.geteuid() != 0:
        raise LifecycleError(
            "machines of kind nspawn need root: run as root, or choose --machines memory"
        )
    wanted = config.model_copy(update=settings or {})
    if wanted != config and not is_new:
        process.end(config)
    if wanted != config or is_new:
        wanted.save()
    if process.answers(wanted):
        return wanted
    _start(wanted, is_new)
    return wanted


def _new(name: str, machines: Literal["nspawn", "memory"], port: int | None) -> CloudConfig:
    """The facts of a cloud that is not there yet."""
    if not re.match(NAME, name):
        raise LifecycleError(
            f"{name} cannot name a cloud: take 1 to 20 lower-case letters and digits, a letter first"
        )
    if machines == "nspawn" and (found := leak_check.namespaces(name)):
        raise LifecycleError(
            f"{found[0]} is on this machine already, of a cloud {name} whose state is not in {paths.state_root()}: "
            "take another name, or set SLIPWAY_STATE as it was and take that cloud down"
        )
    check_port(port)
    if port is not None and not process.is_free(port):
        raise _taken(port, "choose another with --port, or leave --port out to be given a free one")
    return CloudConfig(
        name=name,
        index=_free_index(),
        machines=machines,
        port=port or process.free_port(),
        token="dop_v1_" + secrets.token_hex(32),
        spaces_key="DO00" + secrets.token_hex(8).upper(),
        spaces_secret=secrets.token_urlsafe(32),
    )


def check_port(port: int | None) -> None:
    """Raises: LifecycleError for one that is none."""
    if port is not None and port not in PORTS:
        raise LifecycleError(
            f"port {port} is none: take one from {PORTS[0]} to {PORTS[-1]}, or leave --port out to be given a free one"
        )


def _present(
    name: str, machines: Literal["nspawn", "memory"] | None, port: int | None
) -> CloudConfig:
    """The facts of a cloud that is there, if they are those asked for and it can serve under them."""
    config = find(name)
    if port not in (None, config.port) or machines not in (None, config.machines):
        raise LifecycleError(
            f"cloud {name} exists with --machines {config.machines} --port {config.port}: "
            f"take it down first to change that (`python -m rehearsal down --cloud {name}`), or give the new one another name with --cloud"
        )
    if process.pid(config) is None and not process.becomes_free(config.port):
        raise _taken(
            config.port,
            f"end that program, or take cloud {name} down and bring it up with another --port",
        )
    return config


def _taken(port: int, remedy: str) -> LifecycleError:
    return LifecycleError(
        f"port {port} of 127.0.0.1 is taken by another program (`ss -ltnp 'sport = :{port}'` names it): {remedy}"
    )


def _free_index() -> int:
    """A slice that no cloud has, wherever its state is."""
    known = [config for name in recovery.names() if (config := recovery.load(name))]
    taken = {*recovery.linked(), *(config.index for config in known)}
    for index in range(recovery.SLICES):
        if index not in taken:
            return index
    raise LifecycleError(
        f"{len(taken)} clouds exist, and no more fit into {PUBLIC_POOL}: take one down with `python -m rehearsal down --cloud NAME`"
    )


def _start(config: CloudConfig, is_new: bool) -> None:
    """Have the API started and everything beside it prepared, both at the same time. What fails or is interrupted leaves no process.

    Raises:
        LifecycleError: something did not start.
        KeyboardInterrupt: a cloud that was there before is as it was, a new one is gone.
    """
    started = None
    try:
        with process.uninterrupted():
            started = process.start(config) if process.pid(config) is None else None
        _keys(config)
        if config.machines == "nspawn":
            _publish(config)
            _resolve(config)
        process.wait(config, started)
    except (process.StartError, subprocess.CalledProcessError, OSError) as error:
        if started:
            process.end_started(config, started)
        raise LifecycleError(str(error)) from error
    except KeyboardInterrupt:
        if started:
            process.end_started(config, started)
        if is_new:
            _remove(config)
        raise


def _keys(config: CloudConfig) -> None:
    """The operator's SSH key, and a home and a state backend for Pulumi."""
    key = ssh_key(config)
    if not key.exists():
        key.parent.mkdir(mode=0o700, exist_ok=True)
        comment = f"operator@{config.name}"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)],
            check=True,
            capture_output=True,
        )
    home = config.directory / "pulumi-home"
    for directory in (config.directory / "pulumi", home):
        directory.mkdir(mode=0o700, exist_ok=True)
    if not (home / "plugins").is_symlink():
        (home / "plugins").symlink_to(plugins.pulumi_home() / "plugins")
    file = home / "credentials.json"
    file.touch(mode=0o600)
    file.write_text(credentials(secrets_url(config), config.token))


def _publish(config: CloudConfig) -> None:
    """Put the pinned Consul and Nomad on the release server, signed with the cloud's own key."""
    from rehearsal.network.releases import publish

    for tool in pinned():
        found = tools.find(tool) if tool.name in RELEASED else None
        if found is not None:
            publish(config, tool.name, tool.version, found.path)


def _resolve(config: CloudConfig) -> None:
    wanted = {f"{slug}.spaces.{config.domain}": config.spaces for slug in SPACES_REGIONS}
    hosts.add(config.name, {**wanted, f"releases.{config.domain}": config.releases})


def resolve_buckets(config: CloudConfig, buckets: list[str]) -> None:
    """Make ``bucket.region.spaces.domain`` resolve on this machine: /etc/hosts knows no wildcard.

    Raises:
        LifecycleError: nobody listens there.
    """
    if config.machines == "memory":
        raise LifecycleError(
            f"cloud {config.name} has memory machines, and no network in which buckets could have names: "
            f"`python -m rehearsal spaces --cloud {config.name}` serves its Spaces, for clients in path style"
        )
    hosts.add(
        config.name,
        {
            f"{name}.{slug}.spaces.{config.domain}": config.spaces
            for slug in SPACES_REGIONS
            for name in buckets
        },
    )


def machines_of(config: CloudConfig) -> Machines:
    """The machine kind behind the cloud, without its API."""
    if config.machines == "memory":
        from rehearsal.machines.memory import MemoryMachines

        return MemoryMachines(config)
    from rehearsal.machines.nspawn import NspawnMachines

    return NspawnMachines(config)


def _stop_machines(config: CloudConfig) -> None:
    import asyncio

    asyncio.run(machines_of(config).stop())


def reset(name: str) -> list[str]:
    """Empty a cloud of all that clients made in it; its name, port, accounts and keys stay, and it is up again if it was.

    Returns what was removed, a line each.

    Raises:
        LifecycleError: there is no such cloud, or it does not start again.
    """
    config = find(name)
    was_up = process.pid(config) is not None
    process.end(config)
    removed = contents(config)
    _stop_machines(config)
    empty(config)
    if was_up:
        _start(config, is_new=False)
    return removed


def down(name: str) -> list[str]:
    """Take the cloud down with all that was in it; returns what is left of it on this machine, which should be nothing."""
    if name in recovery.names():
        _remove(recovery.load(name) or recovery.guess(name))
    return leak_check.of(name)


def _remove(config: CloudConfig) -> None:
    process.end(config)
    if config.machines == "memory" or os.geteuid() == 0:
        _stop_machines(config)
    if os.access(hosts.HOSTS, os.W_OK):
        hosts.remove(config.name)
    shutil.rmtree(config.directory)
