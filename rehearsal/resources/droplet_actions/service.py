"""When a droplet can do what it is asked to, and with which arguments."""

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

FOR_TAGS = {
    "power_cycle",
    "power_on",
    "power_off",
    "shutdown",
    "enable_ipv6",
    "enable_backups",
    "disable_backups",
    "snapshot",
}
"""The types that can be asked of all droplets with a tag."""

_NEED_POWER = {"power_off", "shutdown", "reboot", "power_cycle"}


def begin(cloud: Cloud, droplet: Droplet, body: DropletAction) -> Action:
    """Lock the droplet and begin what is asked.

    Raises:
        ApiError: 422 if the droplet is locked, in the wrong state, or the arguments are wrong.
    """
    if droplet.pending_action_id is not None:
        raise unprocessable("Droplet already has a pending event.")
    if body.type in _NEED_POWER and droplet.status is DropletStatus.OFF:
        raise unprocessable("Droplet is already powered off.")
    find_arguments = _ARGUMENTS.get(body.type)
    arguments = find_arguments(cloud, droplet, body) if find_arguments else {}
    with cloud.store.transaction():
        if body.type == "snapshot":
            arguments["image_id"] = cloud.store.next_id("image", FIRST_SNAPSHOT_ID)
        action = create_action(
            cloud.store, "droplet", body.type, droplet.id, droplet.region, arguments
        )
        cloud.store.put(droplet.model_copy(update={"pending_action_id": action.id}))
    cloud.worker.start(action)
    return action


def begin_tagged(cloud: Cloud, tag: str, body: DropletAction) -> list[Action]:
    """Begin it on all droplets with the tag that can do it.

    Raises:
        ApiError: 422 if none can.
    """
    if body.type not in FOR_TAGS:
        raise unprocessable(f"{body.type} cannot be asked of droplets by tag.")
    actions = []
    refusals: list[ApiError] = []
    for droplet in lookup.list_tagged_droplets(cloud.store, tag):
        try:
            actions.append(begin(cloud, droplet, body))
        except ApiError as refusal:
            refusals.append(refusal)
    if refusals and not actions:
        raise refusals[0]
    return actions


def _snapshot(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    return {"name": body.name or f"{droplet.name}-snapshot"}


def _rebuild(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    image = lookup.find_image(cloud.store, body.image) if body.image else None
    if image is None or droplet.region not in image.regions:
        raise unprocessable("You specified an invalid image for Droplet rebuild.")
    return _fitting(droplet, image)


def _restore(cloud: Cloud, droplet: Droplet, body: DropletAction) -> dict[str, Any]:
    """The droplet's own snapshots stand in for its backups, of which there are none."""
    image = lookup.find_image(cloud.store, body.image) if isinstance(body.image, int) else None
    if image is None or image.droplet_id != droplet.id or droplet.region not in image.regions:
        raise unprocessable("You specified an invalid image for Droplet restore.")
    return _fitting(droplet, image)


def _fitting(droplet: Droplet, image: Image) -> dict[str, Any]:
    if image.min_disk_size > droplet.disk:
        raise unprocessable(
            f"The image needs a disk of {image.min_disk_size} GB, the Droplet has {droplet.disk} GB."
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
        "The Droplet manages its kernel itself: it can not be changed from outside."
    )


_ARGUMENTS: dict[str, Callable[[Cloud, Droplet, DropletAction], dict[str, Any]]] = {
    "snapshot": _snapshot,
    "restore": _restore,
    "rebuild": _rebuild,
    "change_kernel": _kernel,
    "resize": _resize,
    "rename": _rename,
    "enable_backups": _backups,
    "change_backup_policy": _backup_policy,
}
