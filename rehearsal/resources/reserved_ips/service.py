"""Reserved IPs: how many there may be, which droplet one may point to, and how it moves."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, create_action
from rehearsal.clock import now
from rehearsal.errors import unprocessable
from rehearsal.resources.reserved_ips.schemas import ReservedIpAct, ReservedIpCreate
from rehearsal.state import addressing, lookup, project_assignment
from rehearsal.state.records import Action, Droplet, ReservedIp
from rehearsal.topology.protocol import MachineError

Move = Literal["assign_ip", "unassign_ip"]


def create(cloud: Cloud, body: ReservedIpCreate) -> tuple[ReservedIp, Action | None]:
    """Reserve an address, and begin to point it to the droplet that is named, if one is.

    Raises:
        ApiError: 422 for the first thing wrong.
    """
    store = cloud.store
    droplet = None if body.droplet_id is None else _target(cloud, body.droplet_id)
    region = droplet.region if droplet else body.region
    if lookup.find_region(region) is None:
        raise unprocessable("You specified an invalid region for reserved IP creation.")
    project = lookup.resolve_project(store, body.project_id)
    if len(store.all(ReservedIp)) >= cloud.account.reserved_ip_limit:
        raise unprocessable("creating this reserved IP will exceed your reserved IP limit")
    with store.transaction():
        address = ReservedIp(
            id=str(next(addressing.free_public_addresses(store, cloud.config))),
            region=region,
            droplet_id=None,
            pending_action_id=None,
            created_at=now(),
        )
        store.put(address)
        project_assignment.assign(
            store, address.urn, project or project_assignment.ensure_default_project(store)
        )
        reserved = create_action(store, "reserved_ip", "reserve_ip", address.resource_id, region)
        action = _promise(cloud, address, "assign_ip", droplet.id) if droplet else None
    cloud.worker.start(reserved)
    if action:
        cloud.worker.start(action)
    return lookup.get_reserved_ip(store, address.id), action


def begin(cloud: Cloud, address: ReservedIp, body: ReservedIpAct) -> Action:
    """Lock the address and begin to move it.

    Raises:
        ApiError: 422 if it is locked already, or cannot point there.
    """
    _check_unlocked(address)
    type: Move = "assign_ip"
    if body.type == "unassign":
        type, target = "unassign_ip", None
        if address.droplet_id is None:
            raise unprocessable("The reserved IP is not assigned to a Droplet.")
    elif body.droplet_id is None:
        raise unprocessable("droplet_id is required")
    else:
        droplet = _target(cloud, body.droplet_id)
        if droplet.region != address.region:
            raise unprocessable("The Droplet must be in the same region as the reserved IP.")
        target = droplet.id
    with cloud.store.transaction():
        action = _promise(cloud, address, type, target)
    cloud.worker.start(action)
    return action


async def delete(cloud: Cloud, address: ReservedIp) -> None:
    """Take the address from its droplet and give it back.

    Raises:
        ApiError: 422 if it is locked.
    """
    _check_unlocked(address)
    with cloud.store.transaction():
        cloud.store.delete(address)
        project_assignment.unassign(cloud.store, address.urn)
    await cloud.network.reconcile()


def actions(cloud: Cloud, address: ReservedIp) -> list[Action]:
    """The newest first. Of an address that was given back and reserved again, what happened to it then counts too."""
    return [action for action in cloud.store.all(Action) if _is_of(action, address)][::-1]


def action(cloud: Cloud, address: ReservedIp, id: int) -> Action | None:
    found = cloud.store.get(Action, id)
    return found if found and _is_of(found, address) else None


def project_id(cloud: Cloud, address: ReservedIp) -> str:
    holder = project_assignment.find_project(cloud.store, address.urn)
    assert holder is not None
    return holder.id


def register_handlers(cloud: Cloud) -> None:
    """Tell the worker how addresses are reserved, which is no work, and moved."""
    cloud.worker.register("reserved_ip", "reserve_ip", Handler(_reserved, lambda action: None))
    for type in ("assign_ip", "unassign_ip"):
        cloud.worker.register(
            "reserved_ip", type, Handler(_moving(cloud), lambda action: _stay(cloud, action))
        )


def _promise(cloud: Cloud, address: ReservedIp, type: Move, target: int | None) -> Action:
    """Only in a transaction."""
    arguments: dict[str, Any] = {
        "address": address.id,
        "droplet_id": target,
        "former": address.droplet_id,
    }
    action = create_action(
        cloud.store, "reserved_ip", type, address.resource_id, address.region, arguments
    )
    cloud.store.put(address.model_copy(update={"pending_action_id": action.id}))
    return action


async def _reserved(action: Action) -> Commit:
    return lambda: None


def _moving(cloud: Cloud) -> Callable[[Action], Awaitable[Commit]]:
    async def do(action: Action) -> Commit:
        target: int | None = action.arguments["droplet_id"]
        if target is not None and lookup.find_droplet(cloud.store, target) is None:
            raise MachineError(f"droplet {target} is gone")
        with cloud.store.transaction():
            address = _stored(cloud, action).model_copy(update={"droplet_id": target})
            cloud.store.put(address)
            project = project_assignment.find_project(cloud.store, f"do:droplet:{target}")
            if project:  # where the droplet is, there is its address
                project_assignment.assign(cloud.store, address.urn, project)
        await cloud.network.reconcile()
        return lambda: cloud.store.put(
            _stored(cloud, action).model_copy(update={"pending_action_id": None})
        )

    return do


def _stay(cloud: Cloud, action: Action) -> None:
    """What could not be moved points where it did, if that is still there."""
    former: int | None = action.arguments["former"]
    droplet_id = former if former is not None and lookup.find_droplet(cloud.store, former) else None
    cloud.store.put(
        _stored(cloud, action).model_copy(
            update={"droplet_id": droplet_id, "pending_action_id": None}
        )
    )


def _stored(cloud: Cloud, action: Action) -> ReservedIp:
    return lookup.get_reserved_ip(cloud.store, action.arguments["address"])


def _target(cloud: Cloud, droplet_id: int) -> Droplet:
    """A droplet that an address may point to: it is not busy, and has none yet, not even this one."""
    droplet = lookup.find_droplet(cloud.store, droplet_id)
    if droplet is None:
        raise unprocessable("The Droplet you specified does not exist.")
    if droplet.pending_action_id is not None:
        raise unprocessable("Droplet already has a pending event.")
    for address in cloud.store.all(ReservedIp):
        pending = (
            cloud.store.get(Action, address.pending_action_id)
            if address.pending_action_id
            else None
        )
        if address.droplet_id == droplet_id or (
            pending and pending.arguments["droplet_id"] == droplet_id
        ):
            raise unprocessable("The Droplet already has a reserved IP.")
    return droplet


def _check_unlocked(address: ReservedIp) -> None:
    if address.pending_action_id is not None:
        raise unprocessable("The reserved IP already has a pending event.")


def _is_of(action: Action, address: ReservedIp) -> bool:
    return (action.resource_type, action.resource_id) == ("reserved_ip", address.resource_id)
