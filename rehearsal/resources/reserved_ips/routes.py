"""/v2/reserved_ips, and what is done with one."""

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
    ReservedIpAct,
    ReservedIpAction,
    ReservedIpCreate,
)
from rehearsal.state import lookup, records

router = APIRouter(prefix="/v2/reserved_ips")


@router.get("")
async def list_addresses(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response(
        "reserved_ips", cloud.store.all(records.ReservedIp), lambda address: _shape(cloud, address)
    )


@router.post("", status_code=202)
async def reserve(body: ReservedIpCreate, cloud: CurrentCloud, request: Request) -> dict[str, Any]:
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
    return {"reserved_ip": _shape(cloud, address), "links": links}


@router.get("/{ip}")
async def get_address(ip: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"reserved_ip": _shape(cloud, lookup.get_reserved_ip(cloud.store, ip))}


@router.delete("/{ip}", status_code=204)
async def release(ip: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, lookup.get_reserved_ip(cloud.store, ip))


@router.get("/{ip}/actions")
async def list_actions(ip: str, cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response(
        "actions",
        service.actions(cloud, lookup.get_reserved_ip(cloud.store, ip)),
        schemas.Action.from_record,
    )


@router.post("/{ip}/actions", status_code=201)
async def act(ip: str, body: ReservedIpAct, cloud: CurrentCloud) -> dict[str, Any]:
    address = lookup.get_reserved_ip(cloud.store, ip)
    return {"action": _action(cloud, address, service.begin(cloud, address, body))}


@router.get("/{ip}/actions/{action_id}")
async def get_action(ip: str, action_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    address = lookup.get_reserved_ip(cloud.store, ip)
    action = service.action(cloud, address, action_id)
    if action is None:
        raise not_found()
    return {"action": _action(cloud, address, action)}


def _shape(cloud: Cloud, address: records.ReservedIp) -> ReservedIp:
    droplet = (
        None if address.droplet_id is None else lookup.get_droplet(cloud.store, address.droplet_id)
    )
    whole = build_droplet(cloud.store, cloud.config, droplet) if droplet else None
    return ReservedIp.from_record(address, whole, service.project_id(cloud, address))


def _action(cloud: Cloud, address: records.ReservedIp, action: records.Action) -> ReservedIpAction:
    return ReservedIpAction(
        **schemas.Action.from_record(action).model_dump(),
        project_id=service.project_id(cloud, address),
    )
