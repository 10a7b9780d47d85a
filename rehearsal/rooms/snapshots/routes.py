"""/v2/snapshots, and the snapshots of a droplet."""

from typing import Any, Literal

from fastapi import APIRouter

from rehearsal import lookup
from rehearsal.cloud import TheCloud
from rehearsal.discarding import discard
from rehearsal.paging import Paging
from rehearsal.rooms.snapshots import rules, shapes

router = APIRouter(prefix="/v2")


@router.get("/snapshots")
async def list_snapshots(cloud: TheCloud, page: Paging, resource_type: Literal["droplet", "volume", ""] = "") -> dict[str, Any]:
    return page.of("snapshots", [] if resource_type == "volume" else rules.snapshots(cloud), shapes.snapshot)


@router.get("/snapshots/{snapshot_id}")
async def get_snapshot(snapshot_id: str, cloud: TheCloud) -> dict[str, Any]:
    return {"snapshot": shapes.snapshot(rules.find(cloud, snapshot_id))}


@router.delete("/snapshots/{snapshot_id}", status_code=204)
async def delete_snapshot(snapshot_id: str, cloud: TheCloud) -> None:
    discard(cloud, rules.find(cloud, snapshot_id))


@router.get("/droplets/{droplet_id}/snapshots")
async def list_droplet_snapshots(droplet_id: int, cloud: TheCloud, page: Paging) -> dict[str, Any]:
    lookup.droplet(cloud.store, droplet_id)
    found = [image for image in rules.snapshots(cloud) if image.droplet_id == droplet_id]
    return page.of("snapshots", found, shapes.droplet_snapshot)
