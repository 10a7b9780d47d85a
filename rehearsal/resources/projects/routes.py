"""/v2/projects; ``default`` stands for the default project's id."""

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
    resource,
)
from rehearsal.state import records

router = APIRouter(prefix="/v2/projects")


@router.get("")
async def list_projects(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    service.default(cloud)
    return page.response(
        "projects", cloud.store.all(records.Project), lambda project: _shape(cloud, project)
    )


@router.post("", status_code=201)
async def create_project(body: ProjectCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"project": _shape(cloud, service.create(cloud, body))}


@router.get("/{project_id}")
async def get_project(project_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"project": _shape(cloud, service.get(cloud, project_id))}


@router.put("/{project_id}")
async def replace_project(
    project_id: str, body: ProjectReplace, cloud: CurrentCloud
) -> dict[str, Any]:
    return {"project": _shape(cloud, service.change(cloud, service.get(cloud, project_id), body))}


@router.patch("/{project_id}")
async def update_project(
    project_id: str, body: ProjectUpdate, cloud: CurrentCloud
) -> dict[str, Any]:
    return {"project": _shape(cloud, service.change(cloud, service.get(cloud, project_id), body))}


@router.delete("/{project_id}", status_code=204)
async def delete_project(project_id: str, cloud: CurrentCloud) -> None:
    service.delete(cloud, service.get(cloud, project_id))


@router.get("/{project_id}/resources")
async def list_resources(
    project_id: str, request: Request, cloud: CurrentCloud, page: Paging
) -> dict[str, Any]:
    held = list(service.get(cloud, project_id).resources.items())
    return page.response(
        "resources", held, lambda item: resource(*item, str(request.base_url), "ok")
    )


@router.post("/{project_id}/resources")
async def assign_resources(
    project_id: str, body: Assignment, request: Request, cloud: CurrentCloud
) -> dict[str, Any]:
    assigned = service.assign(cloud, service.get(cloud, project_id), body.resources)
    return {
        "resources": [
            resource(urn, at, str(request.base_url), status) for urn, at, status in assigned
        ]
    }


def _shape(cloud: Cloud, project: records.Project) -> dict[str, Any]:
    """An environment that was never told is left out."""
    owner = str(uuid5(NAMESPACE_DNS, cloud.config.domain))
    return Project.from_record(project, owner).model_dump(exclude_none=True)
