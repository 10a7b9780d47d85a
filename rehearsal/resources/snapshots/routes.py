"""Routes of /v2/snapshots, and of a droplet's snapshots."""

from typing import Any, Literal

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources import image_deletion
from rehearsal.resources.snapshots import schemas, service
from rehearsal.state import lookup

router = APIRouter(prefix="/v2")


@router.get("/snapshots")
async def list_snapshots(
    cloud: CurrentCloud, page: Paging, resource_type: Literal["droplet", "volume", ""] = ""
) -> dict[str, Any]:
    return page.response(
        "snapshots",
        [] if resource_type == "volume" else service.list_snapshots(cloud),
        schemas.format_snapshot,
    )


@router.get("/snapshots/{snapshot_id}")
async def get_snapshot(snapshot_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"snapshot": schemas.format_snapshot(service.get(cloud, snapshot_id))}


@router.delete("/snapshots/{snapshot_id}", status_code=204)
async def delete_snapshot(snapshot_id: str, cloud: CurrentCloud) -> None:
    image_deletion.delete_image(cloud, service.get(cloud, snapshot_id))


@router.get("/droplets/{droplet_id}/snapshots")
async def list_droplet_snapshots(
    droplet_id: int, cloud: CurrentCloud, page: Paging
) -> dict[str, Any]:
    lookup.get_droplet(cloud.store, droplet_id)
    snapshots = [image for image in service.list_snapshots(cloud) if image.droplet_id == droplet_id]
    return page.response("snapshots", snapshots, schemas.format_droplet_snapshot)
