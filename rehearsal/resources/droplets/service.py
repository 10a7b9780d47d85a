"""Droplets: validation of a creation, creation, and deletion."""

import logging

from rehearsal.api.cloud import Cloud
from rehearsal.api.schemas import BackupPolicy
from rehearsal.api.worker import Commit, Handler, create_action, droplet_of_action
from rehearsal.catalog import account
from rehearsal.catalog.sizes import SIZES
from rehearsal.clock import now
from rehearsal.errors import unprocessable
from rehearsal.resources import droplet_names
from rehearsal.resources.droplets.schemas import DropletCreate
from rehearsal.state import (
    addressing,
    firewalls,
    lookup,
    project_assignment,
    records,
    states,
    tagging,
)
from rehearsal.state.records import (
    Action,
    Droplet,
    Image,
    LoadBalancer,
    ReservedIp,
    SshKey,
    Vpc,
)
from rehearsal.topology.network_state import build_machine_spec
from rehearsal.topology.protocol import MachineError

log = logging.getLogger("rehearsal")

FIRST_ID = 500_000_001
MAX_USER_DATA_BYTES = 64 * 1024


def create(cloud: Cloud, body: DropletCreate) -> list[tuple[Droplet, Action]]:
    """Create the droplets of a request, and start their actions.

    Raises:
        ApiError: 422 for the first invalid field.
    """
    store = cloud.store
    names = _names(cloud, body)
    image = lookup.find_image(store, body.image)
    if image is None:
        raise unprocessable("You specified an invalid image for Droplet creation.")
    region = _region(cloud, body, image)
    _check(body, image, region)
    keys = [_key(cloud, reference) for reference in body.ssh_keys]
    with store.transaction():
        vpc = _vpc(cloud, body.vpc_uuid, region)
        tags = tagging.ensure_tags(store, body.tags)
        project = project_assignment.ensure_default_project(store)
        created = []
        addresses = zip(
            addressing.free_public_addresses(store, cloud.config),
            addressing.free_private_addresses(store, vpc),
            strict=False,
        )
        for name, (public_ip, private_ip) in zip(names, addresses, strict=False):
            id = store.next_id("droplet", FIRST_ID)
            action = create_action(store, "droplet", "create", id, region)
            droplet = Droplet(
                id=id,
                name=name,
                region=region,
                size=body.size,
                disk=SIZES[body.size].disk,
                image=image,
                vpc_id=vpc.id,
                public_ip=public_ip,
                private_ip=private_ip,
                status=states.DropletStatus.NEW,
                pending_action_id=action.id,
                created_at=now(),
                features=_features(body),
                backup_policy=_backup_policy(body),
                tags=tags,
                user_data=body.user_data,
                public_keys=[key.public_key for key in keys],
            )
            store.put(droplet)
            project_assignment.assign(store, droplet.urn, project)
            created.append((droplet, action))
    for _, action in created:
        cloud.worker.start(action)
    return created


async def delete(cloud: Cloud, droplets: list[Droplet]) -> None:
    """Delete droplets: all or none. Their machines are destroyed in the background.

    Raises:
        ApiError: 422 if one of them is locked.
    """
    store = cloud.store
    if any(droplet.pending_action_id is not None for droplet in droplets):
        raise unprocessable("Droplet already has a pending event.")
    actions = []
    with store.transaction():
        for droplet in droplets:
            action = create_action(store, "droplet", "destroy", droplet.id, droplet.region)
            store.put(
                droplet.model_copy(
                    update={
                        "status": states.DESTROY(droplet.status),
                        "pending_action_id": action.id,
                    }
                )
            )
            project_assignment.unassign(store, droplet.urn)
            actions.append(action)
        _remove_references(cloud, {droplet.id for droplet in droplets})
    try:
        await cloud.network.reconcile()
    finally:
        for action in actions:
            cloud.worker.start(action)


def register_handlers(cloud: Cloud) -> None:
    """Register the handlers of droplets' creation and destruction."""
    store = cloud.store

    async def boot(action: Action) -> Commit:
        droplet = droplet_of_action(store, action)
        await cloud.network.reconcile()
        await cloud.machines.create(build_machine_spec(store, cloud.config, droplet))
        return lambda: _unlock(cloud, action, states.BOOT)

    async def destroy(action: Action) -> Commit:
        await cloud.machines.destroy(action.resource_id)
        return lambda: store.delete(droplet_of_action(store, action))

    def keep(action: Action) -> None:
        """Leave the droplet as it is: it keeps its addresses, and ``resume`` tries again."""

    cloud.worker.register(
        "droplet",
        "create",
        Handler(boot, lambda action: _unlock(cloud, action, states.FAIL_BOOT)),
    )
    cloud.worker.register("droplet", "destroy", Handler(destroy, keep))


def resume(cloud: Cloud) -> None:
    """Destroy and power on droplets whose machines are not as they should be after a restart."""
    store = cloud.store
    for droplet in store.all(Droplet):
        is_idle = _has_ended(cloud, droplet.pending_action_id)
        if droplet.status is states.DropletStatus.DELETING and is_idle:
            with store.transaction():
                action = create_action(store, "droplet", "destroy", droplet.id, droplet.region)
                store.put(droplet.model_copy(update={"pending_action_id": action.id}))
            cloud.worker.start(action)
        elif droplet.status is states.DropletStatus.ACTIVE and is_idle:
            cloud.worker.spawn(_ensure_on(cloud, droplet))


async def _ensure_on(cloud: Cloud, droplet: Droplet) -> None:
    if await cloud.machines.is_on(droplet.id):
        return
    try:
        await cloud.machines.power_on(build_machine_spec(cloud.store, cloud.config, droplet))
    except MachineError as error:
        log.error("droplet %s cannot be powered on: %s", droplet.id, error)
        with cloud.store.transaction():
            current = cloud.store.get(Droplet, droplet.id) or droplet
            cloud.store.put(current.model_copy(update={"status": states.POWER_OFF(current.status)}))


def _has_ended(cloud: Cloud, action_id: int | None) -> bool:
    action = None if action_id is None else cloud.store.get(Action, action_id)
    return action is None or action.status is not states.ActionStatus.IN_PROGRESS


def _unlock(
    cloud: Cloud, action: Action, transition: states.Transition[states.DropletStatus]
) -> None:
    droplet = droplet_of_action(cloud.store, action)
    cloud.store.put(
        droplet.model_copy(update={"status": transition(droplet.status), "pending_action_id": None})
    )


def _names(cloud: Cloud, body: DropletCreate) -> list[str]:
    names = body.names or [body.name]
    if len(names) > account.MAX_DROPLETS_PER_REQUEST:
        raise unprocessable(
            f"You can only create up to {account.MAX_DROPLETS_PER_REQUEST} Droplets at a time."
        )
    for name in names:
        if not name:
            raise unprocessable("name is required")
        droplet_names.check(name)
    if len(lookup.list_droplets(cloud.store)) + len(names) > cloud.account.droplet_limit:
        raise unprocessable("creating this/these droplet(s) will exceed your droplet limit")
    return names


def _region(cloud: Cloud, body: DropletCreate, image: Image) -> str:
    """Return the requested region, or the VPC's, or the first that has the image and the size."""
    if body.region:
        if lookup.find_region(body.region) is None:
            raise unprocessable("You specified an invalid region for Droplet creation.")
        return body.region
    vpc = cloud.store.get(Vpc, body.vpc_uuid)
    if vpc:
        return vpc.region
    size = lookup.find_size(body.size)
    return next(
        (region for region in image.regions if size and region in size.regions), image.regions[0]
    )


def _check(body: DropletCreate, image: Image, region: str) -> None:
    size = lookup.find_size(body.size)
    if size is None:
        raise unprocessable("You specified an invalid size for Droplet creation.")
    if region not in size.regions:
        raise unprocessable(f"Size {size.slug} is not available in region {region}.")
    if region not in image.regions:
        raise unprocessable(
            f"The image you specified is not available in the selected region {region}, "
            "you can initiate a transfer at the image control page."
        )
    if image.min_disk_size > size.disk:
        raise unprocessable(
            f"The image needs a disk of {image.min_disk_size} GB, "
            f"size {size.slug} has {size.disk} GB."
        )
    if len(body.user_data.encode()) > MAX_USER_DATA_BYTES:
        raise unprocessable("User data is too large: 64 KiB at most.")
    if body.volumes:
        raise unprocessable("The rehearsal cloud has no volumes.")
    if not body.public_networking:
        raise unprocessable(
            "The rehearsal cloud gives every Droplet a public address: "
            "public_networking must be true."
        )
    tagging.check_names(body.tags)


def _key(cloud: Cloud, reference: int | str) -> SshKey:
    for key in cloud.store.all(SshKey):
        if str(reference) in (str(key.id), key.fingerprint):
            return key
    raise unprocessable(f"{reference} are invalid key identifiers for Droplet creation.")


def _vpc(cloud: Cloud, id: str, region: str) -> Vpc:
    if not id:
        return addressing.ensure_default_vpc(cloud.store, region)
    vpc = cloud.store.get(Vpc, id)
    if vpc is None or vpc.region != region:
        raise unprocessable(f"VPC {id} does not exist in region {region}.")
    return vpc


def _features(body: DropletCreate) -> list[str]:
    features = {
        "backups": body.backups,
        "droplet_agent": body.with_droplet_agent,
        "ipv6": body.ipv6,
        "monitoring": body.monitoring,
        "private_networking": True,
    }
    return [feature for feature, is_enabled in features.items() if is_enabled]


def _backup_policy(body: DropletCreate) -> records.BackupPolicy | None:
    return (body.backup_policy or BackupPolicy()).to_record() if body.backups else None


def _remove_references(cloud: Cloud, ids: set[int]) -> None:
    """Remove deleted droplets from reserved IPs, load balancers and firewalls."""
    for reserved_ip in cloud.store.all(ReservedIp):
        if reserved_ip.droplet_id in ids:
            cloud.store.put(reserved_ip.model_copy(update={"droplet_id": None}))
    for balancer in cloud.store.all(LoadBalancer):
        if not ids.isdisjoint(balancer.droplet_ids):
            remaining = [id for id in balancer.droplet_ids if id not in ids]
            cloud.store.put(balancer.model_copy(update={"droplet_ids": remaining}))
    firewalls.remove_references(cloud.store, droplet_ids=ids)
