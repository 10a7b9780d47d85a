"""Routes of /v2/images."""

from typing import Any, Literal

from fastapi import APIRouter

from rehearsal.api import schemas
from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.images import service
from rehearsal.resources.images.schemas import ImageUpdate

router = APIRouter(prefix="/v2/images")


@router.get("")
async def list_images(
    cloud: CurrentCloud,
    page: Paging,
    type: Literal["distribution", "application", ""] = "",
    private: bool = False,
    tag_name: str = "",
) -> dict[str, Any]:
    return page.response(
        "images", service.list_matching(cloud, type, private, tag_name), schemas.Image.from_record
    )


@router.get("/{reference}")
async def get_image(reference: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"image": schemas.Image.from_record(service.get(cloud, reference))}


@router.put("/{image_id}")
async def update_image(image_id: int, body: ImageUpdate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"image": schemas.Image.from_record(service.update(cloud, str(image_id), body))}


@router.delete("/{image_id}", status_code=204)
async def delete_image(image_id: int, cloud: CurrentCloud) -> None:
    service.delete(cloud, str(image_id))
