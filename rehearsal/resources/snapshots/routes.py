"""/v2/snapshots, and the snapshots of a droplet."""

from typing import Any, Literal

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.image_deletion import discard
from rehearsal.resources.snapshots import schemas, service
from rehearsal.state import lookup

router = APIRouter(prefix="/v2")


@router.get("/snapshots")
async def list_snapshots(
    cloud: CurrentCloud, page: Paging, resource_type: Literal["droplet", "volume", ""] = ""
) -> dict[str, Any]:
    return page.response(
        "snapshots", [] if resource_type == "volume" else service.snapshots(cloud), schemas.snapshot
    )


@router.get("/snapshots/{snapshot_id}")
async def get_snapshot(snapshot_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"snapshot": schemas.snapshot(service.get(cloud, snapshot_id))}


@router.delete("/snapshots/{snapshot_id}", status_code=204)
async def delete_snapshot(snapshot_id: str, cloud: CurrentCloud) -> None:
    discard(cloud, service.get(cloud, snapshot_id))


@router.get("/droplets/{droplet_id}/snapshots")
async def list_droplet_snapshots(
    droplet_id: int, cloud: CurrentCloud, page: Paging
) -> dict[str, Any]:
    lookup.get_droplet(cloud.store, droplet_id)
    found = [image for image in service.snapshots(cloud) if image.droplet_id == droplet_id]
    return page.response("snapshots", found, schemas.droplet_snapshot)
