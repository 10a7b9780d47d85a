"""Which project holds which resource: each resource is in exactly one."""

from uuid import uuid4

from rehearsal.clock import now
from rehearsal.state.records import Project
from rehearsal.state.store import Store


def default_project(store: Store) -> Project:
    """The account's default project, made when it is first needed; only in a transaction, then."""
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


def holder(store: Store, urn: str) -> Project | None:
    return next((project for project in store.all(Project) if urn in project.resources), None)


def assign(store: Store, urn: str, project: Project) -> None:
    """Put a resource into a project, out of any other; only in a transaction."""
    release(store, urn)
    present = store.get(Project, project.id) or project
    store.put(present.model_copy(update={"resources": {**present.resources, urn: now()}}))


def release(store: Store, urn: str) -> None:
    """Take a resource out of its project; only in a transaction."""
    project = holder(store, urn)
    if project:
        store.put(
            project.model_copy(
                update={
                    "resources": {key: at for key, at in project.resources.items() if key != urn}
                }
            )
        )
