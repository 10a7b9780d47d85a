"""The assignment of resources to projects. Each resource is in exactly one project."""

from uuid import uuid4

from rehearsal.clock import now
from rehearsal.state.records import Project
from rehearsal.state.store import Store


def ensure_default_project(store: Store) -> Project:
    """Return the account's default project, or create it; call in a transaction."""
    for project in store.all(Project):
        if project.is_default:
            return project
    time = now()
    project = Project(
        id=str(uuid4()),
        name="first-project",
        description="Update your project information under Settings",
        purpose="Just trying out DigitalOcean",
        environment="Development",
        is_default=True,
        created_at=time,
        updated_at=time,
    )
    store.put(project)
    return project


def find_project(store: Store, urn: str) -> Project | None:
    """Return the project of a resource."""
    return next((project for project in store.all(Project) if urn in project.resources), None)


def assign(store: Store, urn: str, project: Project) -> None:
    """Move a resource into a project; call in a transaction."""
    unassign(store, urn)
    current = store.get(Project, project.id) or project
    store.put(current.model_copy(update={"resources": {**current.resources, urn: now()}}))


def unassign(store: Store, urn: str) -> None:
    """Remove a resource from its project; call in a transaction."""
    project = find_project(store, urn)
    if project:
        resources = {key: time for key, time in project.resources.items() if key != urn}
        store.put(project.model_copy(update={"resources": resources}))
