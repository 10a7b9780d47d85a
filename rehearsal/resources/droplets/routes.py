"""Routes of /v2/droplets."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.droplet_schemas import build_droplet
from rehearsal.api.paging import Paging
from rehearsal.api.schemas import ActionLink
from rehearsal.resources.droplets import service
from rehearsal.resources.droplets.schemas import DropletCreate
from rehearsal.state import lookup

router = APIRouter(prefix="/v2/droplets")


@router.get("")
async def list_droplets(
    cloud: CurrentCloud,
    page: Paging,
    tag_name: str = "",
    name: str = "",
    type: Literal["droplets", "gpus", ""] = "",
) -> dict[str, Any]:
    droplets = (
        lookup.list_tagged_droplets(cloud.store, tag_name)
        if tag_name
        else lookup.list_droplets(cloud.store)
    )
    if name:
        droplets = [droplet for droplet in droplets if droplet.name.lower() == name.lower()]
    return page.response(
        "droplets",
        [] if type == "gpus" else droplets,
        lambda droplet: build_droplet(cloud.store, cloud.config, droplet),
    )


@router.post("", status_code=202)
async def create_droplets(
    body: DropletCreate, cloud: CurrentCloud, request: Request
) -> dict[str, Any]:
    created = service.create(cloud, body)
    base = str(request.base_url)
    links = {
        "actions": [
            ActionLink(id=action.id, rel="create", href=f"{base}v2/actions/{action.id}")
            for _, action in created
        ]
    }
    droplets = [build_droplet(cloud.store, cloud.config, droplet) for droplet, _ in created]
    return (
        {"droplets": droplets, "links": links}
        if body.names
        else {"droplet": droplets[0], "links": links}
    )


@router.delete("", status_code=204)
async def delete_tagged(cloud: CurrentCloud, tag_name: Annotated[str, Query(min_length=1)]) -> None:
    await service.delete(cloud, lookup.list_tagged_droplets(cloud.store, tag_name))


@router.get("/{droplet_id}")
async def get_droplet(droplet_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    return {
        "droplet": build_droplet(
            cloud.store, cloud.config, lookup.get_droplet(cloud.store, droplet_id)
        )
    }


@router.delete("/{droplet_id}", status_code=204)
async def delete_droplet(droplet_id: int, cloud: CurrentCloud) -> None:
    await service.delete(cloud, [lookup.get_droplet(cloud.store, droplet_id)])
