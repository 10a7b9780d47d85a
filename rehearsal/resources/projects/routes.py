"""Routes of /v2/projects; the id ``default`` names the default project."""

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from fastapi import APIRouter, Request

from rehearsal.api.cloud import Cloud, CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.projects import service
from rehearsal.resources.projects.schemas import (
    Assignment,
    Project,
    ProjectCreate,
    ProjectReplace,
    ProjectUpdate,
    format_resource,
)
from rehearsal.state import records

router = APIRouter(prefix="/v2/projects")


@router.get("")
async def list_projects(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    service.ensure_default(cloud)
    return page.response(
        "projects", cloud.store.all(records.Project), lambda project: _to_json(cloud, project)
    )


@router.post("", status_code=201)
async def create_project(body: ProjectCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"project": _to_json(cloud, service.create(cloud, body))}


@router.get("/{project_id}")
async def get_project(project_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"project": _to_json(cloud, service.get(cloud, project_id))}


@router.put("/{project_id}")
async def replace_project(
    project_id: str, body: ProjectReplace, cloud: CurrentCloud
) -> dict[str, Any]:
    return {"project": _to_json(cloud, service.update(cloud, service.get(cloud, project_id), body))}


@router.patch("/{project_id}")
async def update_project(
    project_id: str, body: ProjectUpdate, cloud: CurrentCloud
) -> dict[str, Any]:
    return {"project": _to_json(cloud, service.update(cloud, service.get(cloud, project_id), body))}


@router.delete("/{project_id}", status_code=204)
async def delete_project(project_id: str, cloud: CurrentCloud) -> None:
    service.delete(cloud, service.get(cloud, project_id))


@router.get("/{project_id}/resources")
async def list_resources(
    project_id: str, request: Request, cloud: CurrentCloud, page: Paging
) -> dict[str, Any]:
    assignments = list(service.get(cloud, project_id).resources.items())
    return page.response(
        "resources", assignments, lambda item: format_resource(*item, str(request.base_url), "ok")
    )


@router.post("/{project_id}/resources")
async def assign_resources(
    project_id: str, body: Assignment, request: Request, cloud: CurrentCloud
) -> dict[str, Any]:
    assigned = service.assign(cloud, service.get(cloud, project_id), body.resources)
    return {
        "resources": [
            format_resource(urn, at, str(request.base_url), status) for urn, at, status in assigned
        ]
    }


def _to_json(cloud: Cloud, project: records.Project) -> dict[str, Any]:
    """Return the JSON of a project, without an environment that was never set."""
    owner_uuid = str(uuid5(NAMESPACE_DNS, cloud.config.domain))
    return Project.from_record(project, owner_uuid).model_dump(exclude_none=True)
