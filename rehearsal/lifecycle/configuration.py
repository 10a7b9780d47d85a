"""The configuration of a new cloud, and checks of the arguments for an existing one."""

import re
import secrets

from rehearsal import paths
from rehearsal.config import NAME_PATTERN, PUBLIC_POOL, CloudConfig, MachineKind
from rehearsal.lifecycle import leak_check, process, recovery
from rehearsal.lifecycle.errors import LifecycleError, UsageError

PORTS = range(1024, 65_536)
"""Ports for the API; lower ones are reserved for system services."""


def find(name: str) -> CloudConfig:
    """Return the configuration of an existing cloud.

    Raises:
        UsageError: there is no cloud of that name.
        LifecycleError: the cloud's configuration is missing or damaged.
    """
    config = recovery.load_config(name)
    if config is None and name in recovery.cloud_names():
        raise LifecycleError(
            f"cloud {name} is damaged: {paths.cloud_dir(name) / 'cloud.json'} is missing or "
            f"cannot be read; remove the cloud with `python -m rehearsal down --cloud {name}`"
        )
    if config is None:
        raise UsageError(
            f"there is no cloud {name}: bring it up with `make cloud` or `make rehearse`"
        )
    return config


def create_config(name: str, machines: MachineKind, port: int | None) -> CloudConfig:
    """Return a configuration with new credentials for a cloud that does not exist yet."""
    if not re.match(NAME_PATTERN, name):
        raise UsageError(
            f"{name} cannot name a cloud: "
            "use 1 to 20 lower-case letters and digits, starting with a letter"
        )
    if machines == "nspawn" and (namespaces := leak_check.find_namespaces(name)):
        raise LifecycleError(
            f"{namespaces[0]} exists already, but {paths.state_root()} has no cloud {name}: "
            "choose another name, or set SLIPWAY_STATE to that cloud's directory and run `down`"
        )
    check_port(port)
    if port is not None and not process.is_port_free(port):
        raise _port_in_use(port, "choose another with --port, or omit --port to get a free one")
    return CloudConfig(
        name=name,
        index=_find_free_index(),
        machines=machines,
        port=port or process.find_free_port(),
        token="dop_v1_" + secrets.token_hex(32),
        spaces_key="DO00" + secrets.token_hex(8).upper(),
        spaces_secret=secrets.token_urlsafe(32),
    )


def check_existing(name: str, machines: MachineKind | None, port: int | None) -> CloudConfig:
    """Return the configuration of an existing cloud that can serve with the given arguments.

    Raises:
        LifecycleError: an argument differs from the cloud's, or its port is in use.
    """
    config = find(name)
    if port not in (None, config.port) or machines not in (None, config.machines):
        raise LifecycleError(
            f"cloud {name} exists with --machines {config.machines} --port {config.port}: "
            f"to change that, first run `python -m rehearsal down --cloud {name}`; "
            "or choose another name for the new cloud with --cloud"
        )
    is_running = process.find_pid(config) is not None
    if not is_running and not process.wait_until_port_free(config.port):
        raise _port_in_use(
            config.port,
            f"stop that program, or run `python -m rehearsal down --cloud {name}` "
            "and choose another --port",
        )
    return config


def check_port(port: int | None) -> None:
    """Check a port given by the user.

    Raises:
        UsageError: it is out of range.
    """
    if port is not None and port not in PORTS:
        raise UsageError(
            f"port {port} is out of range: choose one from {PORTS[0]} to {PORTS[-1]}, "
            "or omit --port to get a free one"
        )


def _port_in_use(port: int, remedy: str) -> LifecycleError:
    return LifecycleError(
        f"port {port} of 127.0.0.1 is in use by another program "
        f"(`ss -ltnp 'sport = :{port}'` shows which): {remedy}"
    )


def _find_free_index() -> int:
    """Return an index that no cloud of this machine has, including those of other state roots."""
    configs = [config for name in recovery.cloud_names() if (config := recovery.load_config(name))]
    used = {*recovery.linked_clouds(), *(config.index for config in configs)}
    for index in range(recovery.MAX_CLOUDS):
        if index not in used:
            return index
    raise LifecycleError(
        f"{len(used)} clouds exist, and {PUBLIC_POOL} has no addresses for more: "
        "remove one with `python -m rehearsal down --cloud NAME`"
    )
