"""Reserved IPs: creation, assignment to droplets, deletion."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, create_action
from rehearsal.clock import now
from rehearsal.errors import unprocessable
from rehearsal.resources.reserved_ips.schemas import ReservedIpActionCreate, ReservedIpCreate
from rehearsal.state import addressing, lookup, project_assignment
from rehearsal.state.records import Action, Droplet, ReservedIp
from rehearsal.topology.protocol import MachineError

AssignmentType = Literal["assign_ip", "unassign_ip"]


def create(cloud: Cloud, body: ReservedIpCreate) -> tuple[ReservedIp, Action | None]:
    """Create a reserved IP, and start its assignment to the droplet, if one is given.

    Raises:
        ApiError: 422 for the first invalid field.
    """
    store = cloud.store
    droplet = None if body.droplet_id is None else _get_target(cloud, body.droplet_id)
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
        action = _start_assignment(cloud, address, "assign_ip", droplet.id) if droplet else None
    cloud.worker.start(reserved)
    if action:
        cloud.worker.start(action)
    return lookup.get_reserved_ip(store, address.id), action


def start_action(cloud: Cloud, address: ReservedIp, body: ReservedIpActionCreate) -> Action:
    """Lock a reserved IP, and start its assignment or unassignment.

    Raises:
        ApiError: 422 if it is locked, or cannot be assigned to the droplet.
    """
    _check_unlocked(address)
    type: AssignmentType = "assign_ip"
    if body.type == "unassign":
        type, target = "unassign_ip", None
        if address.droplet_id is None:
            raise unprocessable("The reserved IP is not assigned to a Droplet.")
    elif body.droplet_id is None:
        raise unprocessable("droplet_id is required")
    else:
        droplet = _get_target(cloud, body.droplet_id)
        if droplet.region != address.region:
            raise unprocessable("The Droplet must be in the same region as the reserved IP.")
        target = droplet.id
    with cloud.store.transaction():
        action = _start_assignment(cloud, address, type, target)
    cloud.worker.start(action)
    return action


async def delete(cloud: Cloud, address: ReservedIp) -> None:
    """Unassign and delete a reserved IP.

    Raises:
        ApiError: 422 if it is locked.
    """
    _check_unlocked(address)
    with cloud.store.transaction():
        cloud.store.delete(address)
        project_assignment.unassign(cloud.store, address.urn)
    await cloud.network.reconcile()


def list_actions(cloud: Cloud, address: ReservedIp) -> list[Action]:
    """Return the actions of an address, the newest first.

    They include the actions of an earlier reserved IP with the same address.
    """
    return [action for action in cloud.store.all(Action) if _belongs_to(action, address)][::-1]


def find_action(cloud: Cloud, address: ReservedIp, id: int) -> Action | None:
    action = cloud.store.get(Action, id)
    return action if action and _belongs_to(action, address) else None


def project_id(cloud: Cloud, address: ReservedIp) -> str:
    project = project_assignment.find_project(cloud.store, address.urn)
    assert project is not None
    return project.id


def register_handlers(cloud: Cloud) -> None:
    """Register the handlers of reserved IP actions. A reservation itself needs no work."""
    cloud.worker.register("reserved_ip", "reserve_ip", Handler(_complete, lambda action: None))
    for type in ("assign_ip", "unassign_ip"):
        cloud.worker.register(
            "reserved_ip", type, Handler(_assign(cloud), lambda action: _restore(cloud, action))
        )


def _start_assignment(
    cloud: Cloud, address: ReservedIp, type: AssignmentType, target: int | None
) -> Action:
    """Create an action and lock the reserved IP; call in a transaction."""
    arguments: dict[str, Any] = {
        "address": address.id,
        "droplet_id": target,
        "previous": address.droplet_id,
    }
    action = create_action(
        cloud.store, "reserved_ip", type, address.resource_id, address.region, arguments
    )
    cloud.store.put(address.model_copy(update={"pending_action_id": action.id}))
    return action


async def _complete(action: Action) -> Commit:
    return lambda: None


def _assign(cloud: Cloud) -> Callable[[Action], Awaitable[Commit]]:
    async def do(action: Action) -> Commit:
        target: int | None = action.arguments["droplet_id"]
        if target is not None and lookup.find_droplet(cloud.store, target) is None:
            raise MachineError(f"droplet {target} does not exist any more")
        with cloud.store.transaction():
            address = _stored(cloud, action).model_copy(update={"droplet_id": target})
            cloud.store.put(address)
            project = project_assignment.find_project(cloud.store, f"do:droplet:{target}")
            if project:  # a reserved IP is in the project of its droplet
                project_assignment.assign(cloud.store, address.urn, project)
        await cloud.network.reconcile()
        return lambda: cloud.store.put(
            _stored(cloud, action).model_copy(update={"pending_action_id": None})
        )

    return do


def _restore(cloud: Cloud, action: Action) -> None:
    """After a failure, assign the reserved IP to its previous droplet again, if it exists."""
    previous: int | None = action.arguments["previous"]
    exists = previous is not None and lookup.find_droplet(cloud.store, previous) is not None
    droplet_id = previous if exists else None
    cloud.store.put(
        _stored(cloud, action).model_copy(
            update={"droplet_id": droplet_id, "pending_action_id": None}
        )
    )


def _stored(cloud: Cloud, action: Action) -> ReservedIp:
    return lookup.get_reserved_ip(cloud.store, action.arguments["address"])


def _get_target(cloud: Cloud, droplet_id: int) -> Droplet:
    """Return a droplet for an assignment. It must be unlocked and have no reserved IP."""
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


def _belongs_to(action: Action, address: ReservedIp) -> bool:
    return (action.resource_type, action.resource_id) == ("reserved_ip", address.resource_id)
