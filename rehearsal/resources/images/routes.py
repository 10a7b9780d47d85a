"""/v2/images."""

from typing import Any, Literal

from fastapi import APIRouter

from rehearsal.api import schemas
from rehearsal.api.cloud import TheCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.images import service
from rehearsal.resources.images.schemas import ImageUpdate

router = APIRouter(prefix="/v2/images")


@router.get("")
async def list_images(
    cloud: TheCloud,
    page: Paging,
    type: Literal["distribution", "application", ""] = "",
    private: bool = False,
    tag_name: str = "",
) -> dict[str, Any]:
    return page.of("images", service.select(cloud, type, private, tag_name), schemas.Image.of)


@router.get("/{reference}")
async def get_image(reference: str, cloud: TheCloud) -> dict[str, Any]:
    return {"image": schemas.Image.of(service.find(cloud, reference))}


@router.put("/{image_id}")
async def update_image(image_id: int, body: ImageUpdate, cloud: TheCloud) -> dict[str, Any]:
    return {"image": schemas.Image.of(service.update(cloud, str(image_id), body))}


@router.delete("/{image_id}", status_code=204)
async def delete_image(image_id: int, cloud: TheCloud) -> None:
    service.delete(cloud, str(image_id))
