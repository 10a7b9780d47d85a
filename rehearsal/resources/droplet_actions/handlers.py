"""Handlers of droplet actions: what each does to the machine and to the droplet's record."""

from collections.abc import Awaitable, Callable
from typing import Any

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, droplet_of_action
from rehearsal.state import lookup
from rehearsal.state.records import Action, BackupPolicy, Droplet, Image
from rehearsal.state.states import POWER_OFF, POWER_ON, REBUILD, ImageStatus
from rehearsal.topology.network_state import build_machine_spec
from rehearsal.topology.protocol import MachineError

GIB = 1024**3

Changes = dict[str, Any]
"""The changed fields of a droplet."""

ActionFunction = Callable[[Cloud, Droplet, Action], Awaitable[Changes]]


def register_handlers(cloud: Cloud) -> None:
    """Register the handlers of all droplet actions."""
    for type, function in _FUNCTIONS.items():
        cloud.worker.register(
            "droplet",
            type,
            Handler(_handle(cloud, function), lambda action: _unlock(cloud, action, {})),
        )
    cloud.worker.register(
        "droplet",
        "snapshot",
        Handler(_handle_snapshot(cloud), lambda action: _unlock(cloud, action, {})),
    )


def _handle(cloud: Cloud, function: ActionFunction) -> Callable[[Action], Awaitable[Commit]]:
    async def do(action: Action) -> Commit:
        changes = await function(cloud, droplet_of_action(cloud.store, action), action)
        return lambda: _unlock(cloud, action, changes)

    return do


def _unlock(cloud: Cloud, action: Action, changes: Changes) -> None:
    cloud.store.put(
        droplet_of_action(cloud.store, action).model_copy(
            update={**changes, "pending_action_id": None}
        )
    )


async def _power_on(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    await cloud.machines.power_on(build_machine_spec(cloud.store, cloud.config, droplet))
    return {"status": POWER_ON(droplet.status)}


async def _power_off(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    await cloud.machines.power_off(droplet.id)
    return {"status": POWER_OFF(droplet.status)}


async def _shutdown(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    await cloud.machines.shutdown(droplet.id)
    return {"status": POWER_OFF(droplet.status)}


async def _reboot(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    """Power off a machine that does not shut down, like the real API."""
    try:
        await cloud.machines.shutdown(droplet.id)
    except MachineError:
        await cloud.machines.power_off(droplet.id)
    await cloud.machines.power_on(build_machine_spec(cloud.store, cloud.config, droplet))
    return {}


async def _power_cycle(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    await cloud.machines.power_off(droplet.id)
    await cloud.machines.power_on(build_machine_spec(cloud.store, cloud.config, droplet))
    return {}


def _handle_snapshot(cloud: Cloud) -> Callable[[Action], Awaitable[Commit]]:
    """Return a handler that stores the image when the action completes, and not earlier."""

    async def do(action: Action) -> Commit:
        size = await cloud.machines.snapshot(action.resource_id, str(action.arguments["image_id"]))
        return lambda: _put_snapshot(cloud, action, size)

    return do


def _put_snapshot(cloud: Cloud, action: Action, size: int) -> None:
    droplet = droplet_of_action(cloud.store, action)
    image = Image(
        id=action.arguments["image_id"],
        name=action.arguments["name"],
        type="snapshot",
        distribution=droplet.image.distribution,
        is_public=False,
        regions=[droplet.region],
        created_at=action.started_at,
        min_disk_size=droplet.disk,
        size_gigabytes=round(size / GIB, 2),
        description="",
        status=ImageStatus.AVAILABLE,
        droplet_id=droplet.id,
    )
    cloud.store.put(image)
    _unlock(cloud, action, {})


async def _rebuild(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    image = lookup.find_image(cloud.store, action.arguments["image_id"])
    if image is None:
        raise MachineError("the image was deleted in the meantime")
    rebuilt = droplet.model_copy(update={"image": image})
    await cloud.machines.rebuild(build_machine_spec(cloud.store, cloud.config, rebuilt))
    return {"image": image, "status": REBUILD(droplet.status)}


async def _resize(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    changes = {"size": action.arguments["size"], "disk": action.arguments["disk"]}
    await cloud.machines.resize(
        build_machine_spec(cloud.store, cloud.config, droplet.model_copy(update=changes))
    )
    return changes


async def _rename(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    """Store the name first, so that DNS has it before the action completes."""
    with cloud.store.transaction():
        cloud.store.put(droplet.model_copy(update={"name": action.arguments["name"]}))
    await cloud.network.reconcile()
    return {}


async def _reset_password(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    """Do nothing: DigitalOcean sends the new password by email."""
    return {}


async def _enable_backups(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    return {
        "backup_policy": BackupPolicy(**action.arguments["policy"]),
        "features": _with(droplet, "backups"),
    }


async def _disable_backups(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    return {
        "backup_policy": None,
        "features": [feature for feature in droplet.features if feature != "backups"],
    }


async def _enable_ipv6(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    return {"features": _with(droplet, "ipv6")}


async def _enable_private_networking(cloud: Cloud, droplet: Droplet, action: Action) -> Changes:
    return {"features": _with(droplet, "private_networking")}


def _with(droplet: Droplet, feature: str) -> list[str]:
    return sorted({*droplet.features, feature})


_FUNCTIONS: dict[str, ActionFunction] = {
    "power_on": _power_on,
    "power_off": _power_off,
    "shutdown": _shutdown,
    "reboot": _reboot,
    "power_cycle": _power_cycle,
    "restore": _rebuild,
    "rebuild": _rebuild,
    "resize": _resize,
    "rename": _rename,
    "password_reset": _reset_password,
    "enable_backups": _enable_backups,
    "disable_backups": _disable_backups,
    "change_backup_policy": _enable_backups,
    "enable_ipv6": _enable_ipv6,
    "enable_private_networking": _enable_private_networking,
}
