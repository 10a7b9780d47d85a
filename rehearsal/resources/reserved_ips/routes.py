"""/v2/reserved_ips, and what is done with one."""

from typing import Any

from fastapi import APIRouter, Request

from rehearsal.api import schemas
from rehearsal.api.cloud import Cloud, TheCloud
from rehearsal.api.droplet_schemas import shown
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
async def list_addresses(cloud: TheCloud, page: Paging) -> dict[str, Any]:
    return page.of(
        "reserved_ips", cloud.store.all(records.ReservedIp), lambda address: _shape(cloud, address)
    )


@router.post("", status_code=202)
async def reserve(body: ReservedIpCreate, cloud: TheCloud, request: Request) -> dict[str, Any]:
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
async def get_address(ip: str, cloud: TheCloud) -> dict[str, Any]:
    return {"reserved_ip": _shape(cloud, lookup.reserved_ip(cloud.store, ip))}


@router.delete("/{ip}", status_code=204)
async def release(ip: str, cloud: TheCloud) -> None:
    await service.delete(cloud, lookup.reserved_ip(cloud.store, ip))


@router.get("/{ip}/actions")
async def list_actions(ip: str, cloud: TheCloud, page: Paging) -> dict[str, Any]:
    return page.of(
        "actions", service.actions(cloud, lookup.reserved_ip(cloud.store, ip)), schemas.Action.of
    )


@router.post("/{ip}/actions", status_code=201)
async def act(ip: str, body: ReservedIpAct, cloud: TheCloud) -> dict[str, Any]:
    address = lookup.reserved_ip(cloud.store, ip)
    return {"action": _action(cloud, address, service.begin(cloud, address, body))}


@router.get("/{ip}/actions/{action_id}")
async def get_action(ip: str, action_id: int, cloud: TheCloud) -> dict[str, Any]:
    address = lookup.reserved_ip(cloud.store, ip)
    action = service.action(cloud, address, action_id)
    if action is None:
        raise not_found()
    return {"action": _action(cloud, address, action)}


def _shape(cloud: Cloud, address: records.ReservedIp) -> ReservedIp:
    droplet = (
        None if address.droplet_id is None else lookup.droplet(cloud.store, address.droplet_id)
    )
    whole = shown(cloud.store, cloud.config, droplet) if droplet else None
    return ReservedIp.of(address, whole, service.project_id(cloud, address))


def _action(cloud: Cloud, address: records.ReservedIp, action: records.Action) -> ReservedIpAction:
    return ReservedIpAction(
        **schemas.Action.of(action).model_dump(), project_id=service.project_id(cloud, address)
    )
