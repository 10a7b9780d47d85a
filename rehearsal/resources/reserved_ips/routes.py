"""Routes of /v2/reserved_ips, and of their actions."""

from typing import Any

from fastapi import APIRouter, Request

from rehearsal.api import schemas
from rehearsal.api.cloud import Cloud, CurrentCloud
from rehearsal.api.droplet_schemas import build_droplet
from rehearsal.api.paging import Paging
from rehearsal.errors import not_found
from rehearsal.resources.reserved_ips import service
from rehearsal.resources.reserved_ips.schemas import (
    ReservedIp,
    ReservedIpAction,
    ReservedIpActionCreate,
    ReservedIpCreate,
)
from rehearsal.state import lookup, records

router = APIRouter(prefix="/v2/reserved_ips")


@router.get("")
async def list_reserved_ips(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response(
        "reserved_ips",
        cloud.store.all(records.ReservedIp),
        lambda address: _to_json(cloud, address),
    )


@router.post("", status_code=202)
async def create_reserved_ip(
    body: ReservedIpCreate, cloud: CurrentCloud, request: Request
) -> dict[str, Any]:
    address, action = service.create(cloud, body)
    links: dict[str, list[schemas.ActionLink]] = {}
    if action:
        base = f"{request.base_url}v2"
        droplet_id = action.arguments["droplet_id"]
        links = {
            "droplets": [
                schemas.ActionLink(
                    id=droplet_id, rel="droplet", href=f"{base}/droplets/{droplet_id}"
                )
            ],
            "actions": [
                schemas.ActionLink(
                    id=action.id, rel=action.type, href=f"{base}/actions/{action.id}"
                )
            ],
        }
    return {"reserved_ip": _to_json(cloud, address), "links": links}


@router.get("/{ip}")
async def get_reserved_ip(ip: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"reserved_ip": _to_json(cloud, lookup.get_reserved_ip(cloud.store, ip))}


@router.delete("/{ip}", status_code=204)
async def delete_reserved_ip(ip: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, lookup.get_reserved_ip(cloud.store, ip))


@router.get("/{ip}/actions")
async def list_actions(ip: str, cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response(
        "actions",
        service.list_actions(cloud, lookup.get_reserved_ip(cloud.store, ip)),
        schemas.Action.from_record,
    )


@router.post("/{ip}/actions", status_code=201)
async def create_action(
    ip: str, body: ReservedIpActionCreate, cloud: CurrentCloud
) -> dict[str, Any]:
    address = lookup.get_reserved_ip(cloud.store, ip)
    return {"action": _action_to_json(cloud, address, service.start_action(cloud, address, body))}


@router.get("/{ip}/actions/{action_id}")
async def get_action(ip: str, action_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    address = lookup.get_reserved_ip(cloud.store, ip)
    action = service.find_action(cloud, address, action_id)
    if action is None:
        raise not_found()
    return {"action": _action_to_json(cloud, address, action)}


def _to_json(cloud: Cloud, address: records.ReservedIp) -> ReservedIp:
    droplet = (
        None if address.droplet_id is None else lookup.get_droplet(cloud.store, address.droplet_id)
    )
    droplet_json = build_droplet(cloud.store, cloud.config, droplet) if droplet else None
    return ReservedIp.from_record(address, droplet_json, service.project_id(cloud, address))


def _action_to_json(
    cloud: Cloud, address: records.ReservedIp, action: records.Action
) -> ReservedIpAction:
    return ReservedIpAction(
        **schemas.Action.from_record(action).model_dump(),
        project_id=service.project_id(cloud, address),
    )
