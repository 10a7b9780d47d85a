"""Starting, resetting and removing a cloud as a whole, also after a crash."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from rehearsal import paths
from rehearsal.config import CloudConfig, MachineKind
from rehearsal.lifecycle import (
    configuration,
    leak_check,
    preparation,
    process,
    recovery,
    reset_contents,
)
from rehearsal.lifecycle.errors import LifecycleError, UsageError
from rehearsal.lifecycle.host_limits import HostLimits
from rehearsal.machines import stock
from rehearsal.network import hosts_file
from rehearsal.topology.protocol import Machines

Report = Callable[[str], None]
"""Receives each progress message."""


def _ignore(message: str) -> None:
    pass


def up(
    name: str,
    machines: MachineKind | None = None,
    port: int | None = None,
    settings: dict[str, Any] | None = None,
    report: Report = _ignore,
) -> CloudConfig:
    """Start a cloud if it does not run, and return its configuration.

    An existing cloud keeps its state, also after a crash or a reboot. ``settings`` (times and rate
    limits) replace those of an existing cloud; it keeps what is not given.

    Raises:
        UsageError: an argument cannot be used, or the user is not root.
        LifecycleError: the cloud does not start, or exists with other arguments.
    """
    with _one_start_at_a_time():
        is_new = name not in recovery.cloud_names()
        if is_new:
            config = configuration.create_config(name, machines or "nspawn", port)
        else:
            config = configuration.check_existing(name, machines, port)
        if config.machines == "nspawn" and os.geteuid() != 0:
            raise UsageError("nspawn machines need root: run as root, or choose --machines memory")
        updated = config.model_copy(update=settings or {})
        if updated != config and not is_new:
            process.stop(config)
        if updated != config or is_new:
            updated.save()
        if updated.machines == "nspawn":
            for message in HostLimits().raise_limits():
                report(message)
        if not process.is_ready(updated):
            report(f"starting cloud {name}")
            if updated.machines == "nspawn" and not stock.directory().exists():
                report(f"building the image {stock.SLUG}: about two minutes, once on this machine")
            _start(updated, is_new)
        return updated


def reset(name: str) -> list[str]:
    """Delete everything that clients made in a cloud, and return what that was.

    The cloud keeps its name, port, accounts and keys. It runs afterwards if it ran before.

    Raises:
        UsageError: there is no cloud of that name.
        LifecycleError: the cloud is damaged or does not start again.
    """
    config = configuration.find(name)
    was_running = process.find_pid(config) is not None
    process.stop(config)
    removed = reset_contents.describe(config)
    _stop_machines(config)
    reset_contents.delete(config)
    if was_running:
        _start(config, is_new=False)
    return removed


def down(name: str, report: Report = _ignore) -> list[str]:
    """Remove a cloud with all that is in it; return what is left of it on this machine.

    The last cloud with real machines also restores the limits of the host.
    """
    if name in recovery.cloud_names():
        _remove(recovery.load_config(name) or recovery.reconstruct_config(name))
    if os.geteuid() == 0 and not _has_nspawn_clouds():
        for message in HostLimits().restore_limits():
            report(message)
    return leak_check.find_leaks(name)


def create_machines(config: CloudConfig) -> Machines:
    """Return the machines of a cloud, for use without its API."""
    if config.machines == "memory":
        from rehearsal.machines.memory import MemoryMachines

        return MemoryMachines(config)
    from rehearsal.machines.nspawn import NspawnMachines

    return NspawnMachines(config)


@contextlib.contextmanager
def _one_start_at_a_time() -> Iterator[None]:
    """Hold a lock, so that two new clouds get different addresses and build the image once."""
    root = paths.state_root()
    root.mkdir(parents=True, exist_ok=True)
    directory = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _start(config: CloudConfig, is_new: bool) -> None:
    """Start the API and, while it starts, prepare what its users need.

    Raises:
        LifecycleError: something did not start; no process is left.
        KeyboardInterrupt: as above; a new cloud is removed again.
    """
    started = None
    try:
        with process.defer_interrupt():
            started = process.start(config) if process.find_pid(config) is None else None
        preparation.create_operator_files(config)
        if config.machines == "nspawn":
            preparation.publish_releases(config)
            preparation.add_service_names(config)
        process.wait_until_ready(config, started)
    except (process.StartError, subprocess.CalledProcessError, OSError) as error:
        if started:
            process.stop_started(config, started)
        raise LifecycleError(str(error)) from error
    except KeyboardInterrupt:
        if started:
            process.stop_started(config, started)
        if is_new:
            down(config.name)
        raise


def _remove(config: CloudConfig) -> None:
    process.stop(config)
    if config.machines == "memory" or os.geteuid() == 0:
        _stop_machines(config)
    if os.access(hosts_file.HOSTS_FILE, os.W_OK):
        hosts_file.remove_names(config.name)
    shutil.rmtree(config.directory)


def _stop_machines(config: CloudConfig) -> None:
    asyncio.run(create_machines(config).stop())


def _has_nspawn_clouds() -> bool:
    """Return whether a cloud with real machines exists on this machine, running or not."""
    configs = [recovery.load_config(name) for name in recovery.cloud_names()]
    return bool(recovery.linked_clouds()) or any(
        config is not None and config.machines == "nspawn" for config in configs
    )
