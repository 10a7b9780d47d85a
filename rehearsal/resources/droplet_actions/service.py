"""Droplet actions: preconditions and arguments."""

from collections.abc import Callable
from typing import Any

from rehearsal.api.cloud import Cloud
from rehearsal.api.schemas import BackupPolicy
from rehearsal.api.worker import create_action
from rehearsal.catalog.images import FIRST_SNAPSHOT_ID
from rehearsal.errors import ApiError, unprocessable
from rehearsal.resources import droplet_names
from rehearsal.resources.droplet_actions.schemas import DropletAction
from rehearsal.state import lookup
from rehearsal.state.records import Action, Droplet, Image
from rehearsal.state.states import DropletStatus

TAG_ACTIONS = {
    "power_cycle",
    "power_on",
    "power_off",
    "shutdown",
    "enable_ipv6",
    "enable_backups",
    "disable_backups",
    "snapshot",
}
"""The types of action that are possible on all droplets with a tag."""

_NEED_POWER = {"power_off", "shutdown", "reboot", "power_cycle"}


def start_action(cloud: Cloud, droplet: Droplet, body: DropletAction) -> Action:
    """Lock a droplet and start an action on it.

    Raises:
        ApiError: 422 if the droplet is locked or in the wrong state, or for an invalid argument.
    """
    if droplet.pending_action_id is not None:
        raise unprocessable("Droplet already has a pending event.")
    if body.type in _NEED_POWER and droplet.status is DropletStatus.OFF:
        raise unprocessable("Droplet is already powered off.")
    check = _ARGUMENT_CHECKS.get(body.type)
    arguments = check(cloud, droplet, body) if check else {}
    with cloud.store.transaction():
        if body.type == "snapshot":
            arguments["image_id"] = cloud.store.next_id("image", FIRST_SNAPSHOT_ID)
        action = create_action(
            cloud.store, "droplet", body.type, droplet.id, droplet.region, arguments
        )
        cloud.store.put(droplet.model_copy(update={"pending_action_id": action.id}))
    cloud.worker.start(action)
    return action


def start_tagged_actions(cloud: Cloud, tag: str, body: DropletAction) -> list[Action]:
    """Start an action on each droplet with a tag for which it is possible.

    Raises:
        ApiError: 422 if it is possible for none of them.
    """
    if body.type not in TAG_ACTIONS:
        raise unprocessable(f"{body.type} is not possible by tag.")
    actions = []
    errors: list[ApiError] = []
    for droplet in lookup.list_tagged_droplets(cloud.store, tag):
        try:
            actions.append(start_action(cloud, droplet, body))
        except ApiError as error:
            errors.append(error)
    if errors and not actions:
        raise errors[0]
    return actions


def _snapshot(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    return {"name": body.name or f"{droplet.name}-snapshot"}


def _rebuild(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    image = lookup.find_image(cloud.store, body.image) if body.image else None
    if image is None or droplet.region not in image.regions:
        raise unprocessable("You specified an invalid image for Droplet rebuild.")
    return _check_disk(droplet, image)


def _restore(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    """Use one of the droplet's snapshots, because there are no backups."""
    image = lookup.find_image(cloud.store, body.image) if isinstance(body.image, int) else None
    if image is None or image.droplet_id != droplet.id or droplet.region not in image.regions:
        raise unprocessable("You specified an invalid image for Droplet restore.")
    return _check_disk(droplet, image)


def _check_disk(droplet: Droplet, image: Image) -> dict[str, Any]:
    if image.min_disk_size > droplet.disk:
        raise unprocessable(
            f"The image needs a disk of {image.min_disk_size} GB, "
            f"the Droplet has {droplet.disk} GB."
        )
    return {"image_id": image.id}


def _resize(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    if droplet.status is DropletStatus.ACTIVE:
        raise unprocessable("Droplet is currently on. Please power it off to run this event.")
    size = lookup.find_size(body.size)
    if size is None or droplet.region not in size.regions:
        raise unprocessable("You specified an invalid size for Droplet resize.")
    if size.disk < droplet.disk:
        raise unprocessable("This size is not available because it has a smaller disk.")
    if size.slug == droplet.size and (size.disk == droplet.disk or not body.disk):
        raise unprocessable("Droplet already has this size.")
    return {"size": size.slug, "disk": size.disk if body.disk else droplet.disk}


def _rename(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    droplet_names.check(body.name)
    return {"name": body.name}


def _backups(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    return {"policy": (body.backup_policy or BackupPolicy()).to_record().model_dump()}


def _backup_policy(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    if body.backup_policy is None:
        raise unprocessable("backup_policy is required")
    if droplet.backup_policy is None:
        raise unprocessable("Backups are not enabled for this Droplet.")
    return _backups(cloud, droplet, body)


def _kernel(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    raise unprocessable(
        "The Droplet manages its own kernel, which cannot be changed with an action."
    )


_ARGUMENT_CHECKS: dict[str, Callable[[Cloud, Droplet, DropletAction], dict[str, Any]]] = {
    "snapshot": _snapshot,
    "restore": _restore,
    "rebuild": _rebuild,
    "change_kernel": _kernel,
    "resize": _resize,
    "rename": _rename,
    "enable_backups": _backups,
    "change_backup_policy": _backup_policy,
}
