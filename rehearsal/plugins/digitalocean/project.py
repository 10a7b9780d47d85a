"""Projects, and what belongs to them."""

from collections.abc import Iterable
from typing import Any, ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.resource import Change, Resource, Timeouts
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State, name, output, set_of

OTHER = "Other: "
"""The API's prefix of a purpose that is not one of its own."""


class Project(Resource[DigitalOcean]):
    """A named group of resources."""

    token = "digitalocean:index/project:Project"
    timeouts = Timeouts(delete=180)
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "environment": Property(STRING, same=lambda old, new: old.lower() == new.lower()),
        "isDefault": Property(BOOLEAN, default=False),
        "name": name(),
        "purpose": Property(STRING, default="Web Application"),
        "resources": Property(set_of(STRING), computed=True),
        "createdAt": output(STRING),
        "ownerId": output(INTEGER),
        "ownerUuid": output(STRING),
        "updatedAt": output(STRING),
    }

    def create(self, change: Change) -> None:
        new = change.new
        optional = {key: new[key] for key in ("description", "environment") if new.get(key)}
        with telling("Error creating Project"):
            project = self.client.call(
                "POST", "/v2/projects", {"name": new["name"], "purpose": new["purpose"], **optional}
            )["project"]
        change.id = project["id"]
        if new.get("resources"):
            assign(self.client, change.id, new["resources"])
        if new.get("isDefault"):
            self._patch(change.id, project | {"is_default": True})

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/projects/{resource_id}")
        if found is None:
            return None
        project = found["project"]
        return {
            "name": project["name"],
            "purpose": project["purpose"].removeprefix(OTHER),
            "description": project.get("description", ""),
            "environment": project.get("environment", ""),
            "isDefault": project["is_default"],
            "ownerUuid": project["owner_uuid"],
            "ownerId": project["owner_id"],
            "createdAt": project["created_at"],
            "updatedAt": project["updated_at"],
            "resources": members(self.client, resource_id),
        }

    def update(self, change: Change) -> None:
        new = change.new
        body = {key: new.get(key, "") for key in ("name", "description", "purpose", "environment")}
        self._patch(change.id, body | {"is_default": new["isDefault"]})
        if "resources" in change.changed:
            move(
                self.client,
                change.id,
                change.old.get("resources") or [],
                new.get("resources") or [],
            )

    def delete(self, change: Change) -> None:
        """A project must be empty first, and its resources leave it slowly."""
        if change.old.get("resources"):
            assign(self.client, default_project(self.client), change.old["resources"])
        while True:
            try:
                self.client.call("DELETE", f"/v2/projects/{change.id}")
                return
            except RestError as error:
                if error.status != 412 or "cannot delete a project with resources" not in str(
                    error
                ):
                    raise PluginError(f"Error deleting project ({change.id}): {error}") from error
                change.clock.pause(f"project {change.id} to lose its resources")

    def _patch(self, project_id: str, project: State) -> None:
        body = {
            key: project[key]
            for key in ("name", "description", "purpose", "environment", "is_default")
        }
        with telling("Error updating Project"):
            self.client.call("PATCH", f"/v2/projects/{project_id}", body)


class ProjectResources(Resource[DigitalOcean]):
    """Some resources of a project that is managed elsewhere."""

    token = "digitalocean:index/projectResources:ProjectResources"
    properties: ClassVar[Properties] = {
        "project": Property(STRING, required=True, replaces=True),
        "resources": Property(set_of(STRING), required=True),
    }

    def create(self, change: Change) -> None:
        project = change.new["project"]
        self.client.call("GET", f"/v2/projects/{project}")
        if change.new["resources"]:
            assign(self.client, project, change.new["resources"])
        change.id = project

    def read(self, resource_id: str, state: State) -> State | None:
        """Of the project's resources, only those that this one manages; all of them on an import."""
        if self.client.find(f"/v2/projects/{resource_id}") is None:
            return None
        found = members(self.client, resource_id)
        managed = state.get("resources")
        return {
            "project": resource_id,
            "resources": found if managed is None else [urn for urn in managed if urn in found],
        }

    def update(self, change: Change) -> None:
        move(self.client, change.id, change.old["resources"], change.new["resources"])

    def delete(self, change: Change) -> None:
        if change.old.get("resources"):
            assign(self.client, default_project(self.client), change.old["resources"])


def default_project(client: DigitalOcean) -> str:
    """Id of the project that takes what no other has."""
    return str(client.call("GET", "/v2/projects/default")["project"]["id"])


def members(client: DigitalOcean, project: str) -> list[str]:
    """URNs of a project's resources."""
    return [item["urn"] for item in client.every(f"/v2/projects/{project}/resources", "resources")]


def assign(client: DigitalOcean, project: str, urns: Iterable[Any]) -> None:
    """Move resources into a project."""
    with telling("Error assigning resources"):
        client.call("POST", f"/v2/projects/{project}/resources", {"resources": list(urns)})


def move(client: DigitalOcean, project: str, old: list[str], new: list[str]) -> None:
    """What is no longer listed goes to the default project, what is new comes here."""
    if removed := sorted(set(old) - set(new)):
        assign(client, default_project(client), removed)
    if added := sorted(set(new) - set(old)):
        assign(client, project, added)
