"""Projects: each resource is in one, and one of them is the default."""

import re
from uuid import uuid4

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import bad_request, conflict, not_found, precondition_failed, unprocessable
from rehearsal.resources.projects.schemas import ProjectCreate, ProjectReplace, ProjectUpdate
from rehearsal.state import lookup, project_assignment
from rehearsal.state.domains import Domain
from rehearsal.state.records import LoadBalancer, Project, ReservedIp, Vpc

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_URN = re.compile(
    r"do:(dbaas|domain|droplet|floatingip|reservedip|loadbalancer|space|volume|kubernetes|vpc):(.+)"
)


def get(cloud: Cloud, id: str) -> Project:
    """Return a project by its id, or the default project for ``default``.

    Raises:
        ApiError: 404
    """
    if id == "default":
        return ensure_default(cloud)
    project = cloud.store.get(Project, id)
    if project is None:
        raise not_found()
    return project


def ensure_default(cloud: Cloud) -> Project:
    """Return the default project, which the first call creates."""
    with cloud.store.transaction():
        return project_assignment.ensure_default_project(cloud.store)


def create(cloud: Cloud, body: ProjectCreate) -> Project:
    """Create a project.

    Raises:
        ApiError: 409 for a name in use.
    """
    _check_name(cloud, body.name, None)
    time = now()
    project = Project(
        id=str(uuid4()),
        name=body.name,
        description=body.description,
        purpose=body.purpose,
        environment=body.environment or None,
        is_default=False,
        created_at=time,
        updated_at=time,
    )
    with cloud.store.transaction():
        project_assignment.ensure_default_project(cloud.store)
        cloud.store.put(project)
    return project


def update(cloud: Cloud, project: Project, body: ProjectReplace | ProjectUpdate) -> Project:
    """Change the given fields of a project.

    Raises:
        ApiError: 409 for a name in use, 422 if no project would be the default.
    """
    store = cloud.store
    if body.name is not None:
        _check_name(cloud, body.name, project.id)
    if project.is_default and body.is_default is False and isinstance(body, ProjectUpdate):
        raise unprocessable("There must be a default project: make another one the default.")
    changes = body.model_dump(exclude_none=True, exclude={"is_default"}) | {"updated_at": now()}
    if "environment" in changes:
        changes["environment"] = changes["environment"] or None
    with store.transaction():
        if body.is_default and not project.is_default:
            previous = project_assignment.ensure_default_project(store)
            store.put(previous.model_copy(update={"is_default": False}))
            changes["is_default"] = True
        changed = project.model_copy(update=changes)
        store.put(changed)
    return changed


def delete(cloud: Cloud, project: Project) -> None:
    """Delete a project.

    Raises:
        ApiError: 412 for the default project, or one with resources.
    """
    if project.is_default:
        raise precondition_failed("cannot delete the default project")
    if project.resources:
        raise precondition_failed(
            "cannot delete a project with resources. please move or remove them first."
        )
    with cloud.store.transaction():
        cloud.store.delete(project)


def assign(cloud: Cloud, project: Project, urns: list[str]) -> list[tuple[str, str, str]]:
    """Assign resources to a project. Return the URN, time and status of each.

    Raises:
        ApiError: 400 for an invalid URN, 412 for a reserved IP without its droplet. Nothing is
            assigned then.
    """
    for urn in urns:
        if not _URN.fullmatch(urn):
            raise bad_request(f"{urn} is not a valid urn")
    # Requests may have the new name of the type; the API specification has only the old one.
    urns = [urn.replace("do:reservedip:", "do:floatingip:") for urn in urns]
    for address in cloud.store.all(ReservedIp):
        if address.urn in urns and address.droplet_id is not None:
            droplet = f"do:droplet:{address.droplet_id}"
            if droplet not in urns and droplet not in project.resources:
                raise precondition_failed(
                    "Cannot move a Reserved IP with an associated Droplet. "
                    "Please move the Droplet instead."
                )
    results = []
    with cloud.store.transaction():
        for urn in urns:
            current = project_assignment.find_project(cloud.store, urn)
            if current and current.id == project.id:
                results.append((urn, current.resources[urn], "already_assigned"))
            elif _exists(cloud, urn):
                project_assignment.assign(cloud.store, urn, project)
                _assign_related(cloud, urn, project)
                results.append((urn, now(), "assigned"))
            else:
                results.append((urn, now(), "not_found"))
    return results


def _exists(cloud: Cloud, urn: str) -> bool:
    """Return whether a resource exists. Any valid name of a Spaces bucket is accepted."""
    _, kind, id = urn.split(":", 2)
    match kind:
        case "droplet":
            return lookup.find_droplet(cloud.store, id) is not None
        case "loadbalancer":
            return cloud.store.get(LoadBalancer, id) is not None
        case "vpc":
            return cloud.store.get(Vpc, id) is not None
        case "floatingip":
            return cloud.store.get(ReservedIp, id) is not None
        case "domain":
            return cloud.store.get(Domain, id) is not None
        case _:
            return kind == "space" and _BUCKET.fullmatch(id) is not None


def _assign_related(cloud: Cloud, urn: str, project: Project) -> None:
    """Update a load balancer's project, or assign the reserved IP of a droplet as well."""
    balancer = cloud.store.get(LoadBalancer, urn.removeprefix("do:loadbalancer:"))
    if balancer:
        cloud.store.put(balancer.model_copy(update={"project_id": project.id}))
    for address in cloud.store.all(ReservedIp):
        if urn == f"do:droplet:{address.droplet_id}":
            project_assignment.assign(cloud.store, address.urn, project)


def _check_name(cloud: Cloud, name: str, own_id: str | None) -> None:
    if any(project.name == name and project.id != own_id for project in cloud.store.all(Project)):
        raise conflict("name is already in use by another project")
