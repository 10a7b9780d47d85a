"""Projects and the assignment of resources to them."""

from collections.abc import Iterable
from typing import Any, ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    name,
    output,
    set_of,
)
from rehearsal.plugins.resource import Change, Resource, Timeouts
from rehearsal.plugins.rest import RestError

OTHER_PREFIX = "Other: "
"""Prefix that the API adds to a purpose that it does not know."""


class Project(Resource[DigitalOcean]):
    """A named group of resources."""

    token = "digitalocean:index/project:Project"
    timeouts = Timeouts(delete=180)
    properties: ClassVar[Properties] = {
        "description": Property(STRING),
        "environment": Property(STRING, is_equivalent=lambda old, new: old.lower() == new.lower()),
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
        with error_context("Error creating Project"):
            project = self.client.call(
                "POST", "/v2/projects", {"name": new["name"], "purpose": new["purpose"], **optional}
            )["project"]
        change.id = project["id"]
        if new.get("resources"):
            assign(self.client, change.id, new["resources"])
        if new.get("isDefault"):
            self._patch(change.id, project | {"is_default": True})

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/projects/{resource_id}")
        if response is None:
            return None
        project = response["project"]
        return {
            "name": project["name"],
            "purpose": project["purpose"].removeprefix(OTHER_PREFIX),
            "description": project.get("description", ""),
            "environment": project.get("environment", ""),
            "isDefault": project["is_default"],
            "ownerUuid": project["owner_uuid"],
            "ownerId": project["owner_id"],
            "createdAt": project["created_at"],
            "updatedAt": project["updated_at"],
            "resources": resource_urns(self.client, resource_id),
        }

    def update(self, change: Change) -> None:
        new = change.new
        body = {key: new.get(key, "") for key in ("name", "description", "purpose", "environment")}
        self._patch(change.id, body | {"is_default": new["isDefault"]})
        if "resources" in change.changed:
            reassign(
                self.client,
                change.id,
                change.old.get("resources") or [],
                new.get("resources") or [],
            )

    def delete(self, change: Change) -> None:
        """Move the resources to the default project, then delete the empty project."""
        if change.old.get("resources"):
            assign(self.client, default_project_id(self.client), change.old["resources"])
        with error_context(f"Error deleting project ({change.id})"):
            change.deadline.retry(
                lambda: self.client.call("DELETE", f"/v2/projects/{change.id}"),
                _has_resources,
                f"project {change.id} to become empty",
            )

    def _patch(self, project_id: str, project: State) -> None:
        body = {
            key: project[key]
            for key in ("name", "description", "purpose", "environment", "is_default")
        }
        with error_context("Error updating Project"):
            self.client.call("PATCH", f"/v2/projects/{project_id}", body)


class ProjectResources(Resource[DigitalOcean]):
    """Resources assigned to a project that another program or a person manages."""

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
        """Read the managed resources of the project; an import manages all of them."""
        if self.client.find(f"/v2/projects/{resource_id}") is None:
            return None
        current = resource_urns(self.client, resource_id)
        managed = state.get("resources")
        return {
            "project": resource_id,
            "resources": current if managed is None else [urn for urn in managed if urn in current],
        }

    def update(self, change: Change) -> None:
        reassign(self.client, change.id, change.old["resources"], change.new["resources"])

    def delete(self, change: Change) -> None:
        if change.old.get("resources"):
            assign(self.client, default_project_id(self.client), change.old["resources"])


def _has_resources(error: PluginError) -> bool:
    return (
        isinstance(error, RestError)
        and error.status == 412
        and "cannot delete a project with resources" in str(error)
    )


def default_project_id(client: DigitalOcean) -> str:
    """Return the id of the account's default project."""
    return str(client.call("GET", "/v2/projects/default")["project"]["id"])


def resource_urns(client: DigitalOcean, project: str) -> list[str]:
    """Return the URNs of a project's resources."""
    return [
        item["urn"] for item in client.list_all(f"/v2/projects/{project}/resources", "resources")
    ]


def assign(client: DigitalOcean, project: str, urns: Iterable[Any]) -> None:
    """Move resources into a project."""
    with error_context("Error assigning resources"):
        client.call("POST", f"/v2/projects/{project}/resources", {"resources": list(urns)})


def reassign(client: DigitalOcean, project: str, old: list[str], new: list[str]) -> None:
    """Assign new resources to the project and removed ones to the default project."""
    if removed := sorted(set(old) - set(new)):
        assign(client, default_project_id(client), removed)
    if added := sorted(set(new) - set(old)):
        assign(client, project, added)
