"""/v2/droplets."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from rehearsal.api.cloud import TheCloud
from rehearsal.api.droplet_schemas import shown
from rehearsal.api.paging import Paging
from rehearsal.api.schemas import ActionLink
from rehearsal.resources.droplets import service
from rehearsal.resources.droplets.schemas import DropletCreate
from rehearsal.state import lookup

router = APIRouter(prefix="/v2/droplets")


@router.get("")
async def list_droplets(
    cloud: TheCloud,
    page: Paging,
    tag_name: str = "",
    name: str = "",
    type: Literal["droplets", "gpus", ""] = "",
) -> dict[str, Any]:
    found = (
        lookup.droplets_tagged(cloud.store, tag_name) if tag_name else lookup.droplets(cloud.store)
    )
    if name:
        found = [droplet for droplet in found if droplet.name.lower() == name.lower()]
    return page.of(
        "droplets",
        [] if type == "gpus" else found,
        lambda droplet: shown(cloud.store, cloud.config, droplet),
    )


@router.post("", status_code=202)
async def create_droplets(body: DropletCreate, cloud: TheCloud, request: Request) -> dict[str, Any]:
    made = service.create(cloud, body)
    base = str(request.base_url)
    links = {
        "actions": [
            ActionLink(id=action.id, rel="create", href=f"{base}v2/actions/{action.id}")
            for _, action in made
        ]
    }
    droplets = [shown(cloud.store, cloud.config, droplet) for droplet, _ in made]
    return (
        {"droplets": droplets, "links": links}
        if body.names
        else {"droplet": droplets[0], "links": links}
    )


@router.delete("", status_code=204)
async def delete_tagged(cloud: TheCloud, tag_name: Annotated[str, Query(min_length=1)]) -> None:
    await service.delete(cloud, lookup.droplets_tagged(cloud.store, tag_name))


@router.get("/{droplet_id}")
async def get_droplet(droplet_id: int, cloud: TheCloud) -> dict[str, Any]:
    return {"droplet": shown(cloud.store, cloud.config, lookup.droplet(cloud.store, droplet_id))}


@router.delete("/{droplet_id}", status_code=204)
async def delete_droplet(droplet_id: int, cloud: TheCloud) -> None:
    await service.delete(cloud, [lookup.droplet(cloud.store, droplet_id)])
