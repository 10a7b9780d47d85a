"""Routes of /v2/tags."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from rehearsal.api.cloud import Cloud, CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.errors import NOT_AN_OBJECT, NOT_JSON
from rehearsal.resources.tags import service
from rehearsal.resources.tags.schemas import Resources, Tag, error_body
from rehearsal.state import lookup, records

router = APIRouter(prefix="/v2/tags")


@router.get("")
async def list_tags(request: Request, cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    tags = sorted(cloud.store.all(records.Tag), key=lambda tag: tag.id)
    return page.response("tags", tags, lambda tag: _to_json(request, cloud, tag))


@router.post("", status_code=201, response_model=None)
async def create_tag(request: Request, cloud: CurrentCloud) -> dict[str, Any] | JSONResponse:
    """Create a tag. This operation has an error body of its own, also for invalid JSON."""
    try:
        return {"tag": _to_json(request, cloud, service.create(cloud, await _parse_name(request)))}
    except ValueError as error:
        return JSONResponse(error_body(str(error)), status_code=400)


@router.get("/{name}")
async def get_tag(name: str, request: Request, cloud: CurrentCloud) -> dict[str, Any]:
    return {"tag": _to_json(request, cloud, service.get(cloud, name))}


@router.delete("/{name}", status_code=204)
async def delete_tag(name: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, service.get(cloud, name))


@router.post("/{name}/resources", status_code=204)
async def attach(name: str, body: Resources, cloud: CurrentCloud) -> None:
    await service.attach(cloud, service.get(cloud, name), body.resources)


@router.delete("/{name}/resources", status_code=204)
async def detach(name: str, body: Resources, cloud: CurrentCloud) -> None:
    await service.detach(cloud, service.get(cloud, name), body.resources)


async def _parse_name(request: Request) -> object:
    """Return the name in the request body.

    Raises:
        ValueError: the body is not a JSON object.
    """
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        raise ValueError(NOT_JSON) from None
    if not isinstance(body, dict):
        raise ValueError(NOT_AN_OBJECT)
    return body.get("name")


def _to_json(request: Request, cloud: Cloud, tag: records.Tag) -> dict[str, Any]:
    """Return the JSON of a tag. An absent URI is omitted, not null."""
    droplets = [
        f"{request.base_url}v2/droplets/{droplet.id}"
        for droplet in lookup.list_tagged_droplets(cloud.store, tag.name)
    ]
    images = [
        f"{request.base_url}v2/images/{image.id}"
        for image in lookup.list_images(cloud.store)
        if tag.name in image.tags
    ]
    return Tag.from_tagged(tag.name, droplets, images).model_dump(exclude_none=True)
