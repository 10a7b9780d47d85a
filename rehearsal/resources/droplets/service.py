"""Droplets: what one may be made of, and how it comes and goes."""

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
from rehearsal.state import addressing, lookup, ownership, states, tagging
from rehearsal.state.records import (
    Action,
    Balancer,
    Droplet,
    Firewall,
    FirewallRule,
    Image,
    ReservedIp,
    SshKey,
    Vpc,
)
from rehearsal.topology.network_state import machine_spec
from rehearsal.topology.protocol import MachineError

log = logging.getLogger("rehearsal")

FIRST_ID = 500_000_001
LARGEST_USER_DATA = 64 * 1024


def create(cloud: Cloud, body: DropletCreate) -> list[tuple[Droplet, Action]]:
    """Begin to make the droplets that a request asks for.

    Raises:
        ApiError: 422 for the first thing wrong with it.
    """
    store = cloud.store
    names = _names(cloud, body)
    image = lookup.image(store, body.image)
    if image is None:
        raise unprocessable("You specified an invalid image for Droplet creation.")
    region = _region(cloud, body, image)
    _check(body, image, region)
    keys = [_key(cloud, reference) for reference in body.ssh_keys]
    with store.write():
        vpc = _vpc(cloud, body.vpc_uuid, region)
        tags = tagging.ensure(store, body.tags)
        project = ownership.default_project(store)
        made = []
        publics, privates = (
            addressing.free_public(store, cloud.config),
            addressing.free_private(store, vpc),
        )
        for name, public, private in zip(names, publics, privates, strict=False):
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
                public=public,
                private=private,
                status=states.DropletStatus.NEW,
                pending=action.id,
                created_at=now(),
                features=_features(body),
                backup_policy=(body.backup_policy or BackupPolicy()).record()
                if body.backups
                else None,
                tags=tags,
                user_data=body.user_data,
                public_keys=[key.public_key for key in keys],
            )
            store.put(droplet)
            ownership.assign(store, droplet.urn, project)
            made.append((droplet, action))
    for _, action in made:
        cloud.worker.start(action)
    return made


async def delete(cloud: Cloud, doomed: list[Droplet]) -> None:
    """Take droplets away from clients and the network at once, and their machines in the background.

    Raises:
        ApiError: 422 if one of them is locked; none is deleted then.
    """
    store = cloud.store
    if any(droplet.pending is not None for droplet in doomed):
        raise unprocessable("Droplet already has a pending event.")
    actions = []
    with store.write():
        for droplet in doomed:
            action = create_action(store, "droplet", "destroy", droplet.id, droplet.region)
            store.put(
                droplet.model_copy(
                    update={"status": states.DESTROY(droplet.status), "pending": action.id}
                )
            )
            ownership.release(store, droplet.urn)
            actions.append(action)
        _forget(cloud, {droplet.id for droplet in doomed})
    try:
        await cloud.network.reconcile()
    finally:
        for action in actions:
            cloud.worker.start(action)


def register_handlers(cloud: Cloud) -> None:
    """Tell the worker how droplets are made and destroyed."""
    store = cloud.store

    async def boot(action: Action) -> Commit:
        droplet = droplet_of_action(store, action)
        await cloud.network.reconcile()
        await cloud.machines.create(machine_spec(store, cloud.config, droplet))
        return lambda: _unlock(cloud, action, states.BOOTED)

    async def destroy(action: Action) -> Commit:
        await cloud.machines.destroy(action.resource_id)
        return lambda: store.delete(droplet_of_action(store, action))

    def stay(action: Action) -> None:
        """What could not be destroyed keeps its addresses, and is tried again when the API starts."""

    cloud.worker.register(
        "droplet",
        "create",
        Handler(boot, lambda action: _unlock(cloud, action, states.FAILED_TO_BOOT)),
    )
    cloud.worker.register("droplet", "destroy", Handler(destroy, stay))


def resume(cloud: Cloud) -> None:
    """After a start of the API: destroy what is still to be destroyed, and power on what should be on but is not."""
    store = cloud.store
    for droplet in store.all(Droplet):
        ended = droplet.pending is None or _ended(cloud, droplet.pending)
        if droplet.status is states.DropletStatus.DELETING and ended:
            with store.write():
                action = create_action(store, "droplet", "destroy", droplet.id, droplet.region)
                store.put(droplet.model_copy(update={"pending": action.id}))
            cloud.worker.start(action)
        elif droplet.status is states.DropletStatus.ACTIVE and ended:
            cloud.worker.spawn(_ensure_on(cloud, droplet))


async def _ensure_on(cloud: Cloud, droplet: Droplet) -> None:
    if await cloud.machines.is_on(droplet.id):
        return
    try:
        await cloud.machines.power_on(machine_spec(cloud.store, cloud.config, droplet))
    except MachineError as error:
        log.error("droplet %s does not come back: %s", droplet.id, error)
        with cloud.store.write():
            present = cloud.store.get(Droplet, droplet.id) or droplet
            cloud.store.put(present.model_copy(update={"status": states.POWER_OFF(present.status)}))


def _ended(cloud: Cloud, action_id: int) -> bool:
    action = cloud.store.get(Action, action_id)
    return action is None or action.status is not states.ActionStatus.IN_PROGRESS


def _unlock(cloud: Cloud, action: Action, step: states.Step[states.DropletStatus]) -> None:
    droplet = droplet_of_action(cloud.store, action)
    cloud.store.put(droplet.model_copy(update={"status": step(droplet.status), "pending": None}))


def _names(cloud: Cloud, body: DropletCreate) -> list[str]:
    names = body.names or [body.name]
    if len(names) > account.DROPLETS_A_REQUEST:
        raise unprocessable(
            f"You can only create up to {account.DROPLETS_A_REQUEST} Droplets at a time."
        )
    for name in names:
        if not name:
            raise unprocessable("name is required")
        droplet_names.check(name)
    if len(lookup.droplets(cloud.store)) + len(names) > cloud.account.droplet_limit:
        raise unprocessable("creating this/these droplet(s) will exceed your droplet limit")
    return names


def _region(cloud: Cloud, body: DropletCreate, image: Image) -> str:
    """The region asked for, else the VPC's, else the first that has image and size."""
    if body.region:
        if lookup.region(body.region) is None:
            raise unprocessable("You specified an invalid region for Droplet creation.")
        return body.region
    vpc = cloud.store.get(Vpc, body.vpc_uuid)
    if vpc:
        return vpc.region
    size = lookup.size(body.size)
    return next(
        (region for region in image.regions if size and region in size.regions), image.regions[0]
    )


def _check(body: DropletCreate, image: Image, region: str) -> None:
    size = lookup.size(body.size)
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
            f"The image needs a disk of {image.min_disk_size} GB, size {size.slug} has {size.disk} GB."
        )
    if len(body.user_data.encode()) > LARGEST_USER_DATA:
        raise unprocessable("User data is too large: 64 KiB at most.")
    if body.volumes:
        raise unprocessable("The rehearsal cloud has no volumes.")
    if not body.public_networking:
        raise unprocessable(
            "The rehearsal cloud gives every Droplet a public address: public_networking must be true."
        )
    tagging.check(body.tags)


def _key(cloud: Cloud, reference: int | str) -> SshKey:
    for key in cloud.store.all(SshKey):
        if str(reference) in (str(key.id), key.fingerprint):
            return key
    raise unprocessable(f"{reference} are invalid key identifiers for Droplet creation.")


def _vpc(cloud: Cloud, id: str, region: str) -> Vpc:
    if not id:
        return addressing.default_vpc(cloud.store, region)
    vpc = cloud.store.get(Vpc, id)
    if vpc is None or vpc.region != region:
        raise unprocessable(f"VPC {id} does not exist in region {region}.")
    return vpc


def _features(body: DropletCreate) -> list[str]:
    wanted = {
        "backups": body.backups,
        "droplet_agent": body.with_droplet_agent,
        "ipv6": body.ipv6,
        "monitoring": body.monitoring,
        "private_networking": True,
    }
    return [feature for feature, is_wanted in wanted.items() if is_wanted]


def _forget(cloud: Cloud, gone: set[int]) -> None:
    """Take droplets out of the firewalls and balancers that name them, and reserved addresses from them."""

    def rest(ids: list[int]) -> list[int]:
        return [id for id in ids if id not in gone]

    def rule(rule: FirewallRule) -> FirewallRule:
        return rule.model_copy(
            update={
                "peers": rule.peers.model_copy(update={"droplet_ids": rest(rule.peers.droplet_ids)})
            }
        )

    for address in cloud.store.all(ReservedIp):
        if address.droplet_id in gone:
            cloud.store.put(address.model_copy(update={"droplet_id": None}))
    for balancer in cloud.store.all(Balancer):
        if not gone.isdisjoint(balancer.droplet_ids):
            cloud.store.put(balancer.model_copy(update={"droplet_ids": rest(balancer.droplet_ids)}))
    for firewall in cloud.store.all(Firewall):
        named = {
            *firewall.droplet_ids,
            *(id for rule in firewall.inbound + firewall.outbound for id in rule.peers.droplet_ids),
        }
        if not gone.isdisjoint(named):
            changes = {
                "droplet_ids": rest(firewall.droplet_ids),
                "inbound": [rule(each) for each in firewall.inbound],
                "outbound": [rule(each) for each in firewall.outbound],
            }
            cloud.store.put(firewall.model_copy(update=changes))
