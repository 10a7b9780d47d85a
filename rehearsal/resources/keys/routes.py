"""/v2/account/keys."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import TheCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.keys import service
from rehearsal.resources.keys.schemas import KeyCreate, KeyUpdate, SshKey
from rehearsal.state.records import SshKey as Record

router = APIRouter(prefix="/v2/account/keys")


@router.get("")
async def list_keys(cloud: TheCloud, page: Paging) -> dict[str, Any]:
    return page.of("ssh_keys", cloud.store.all(Record), SshKey.of)


@router.post("", status_code=201)
async def create_key(body: KeyCreate, cloud: TheCloud) -> dict[str, Any]:
    return {"ssh_key": SshKey.of(service.create(cloud, body))}


@router.get("/{identifier}")
async def get_key(identifier: str, cloud: TheCloud) -> dict[str, Any]:
    return {"ssh_key": SshKey.of(service.find(cloud, identifier))}


@router.put("/{identifier}")
async def rename_key(identifier: str, body: KeyUpdate, cloud: TheCloud) -> dict[str, Any]:
    return {"ssh_key": SshKey.of(service.rename(cloud, identifier, body))}


@router.delete("/{identifier}", status_code=204)
async def delete_key(identifier: str, cloud: TheCloud) -> None:
    service.delete(cloud, identifier)
