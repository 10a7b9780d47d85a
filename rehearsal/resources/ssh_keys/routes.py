"""Routes of /v2/account/keys."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.ssh_keys import service
from rehearsal.resources.ssh_keys.schemas import KeyCreate, KeyUpdate, SshKey
from rehearsal.state.records import SshKey as Record

router = APIRouter(prefix="/v2/account/keys")


@router.get("")
async def list_keys(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response("ssh_keys", cloud.store.all(Record), SshKey.from_record)


@router.post("", status_code=201)
async def create_key(body: KeyCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"ssh_key": SshKey.from_record(service.create(cloud, body))}


@router.get("/{identifier}")
async def get_key(identifier: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"ssh_key": SshKey.from_record(service.get(cloud, identifier))}


@router.put("/{identifier}")
async def rename_key(identifier: str, body: KeyUpdate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"ssh_key": SshKey.from_record(service.rename(cloud, identifier, body))}


@router.delete("/{identifier}", status_code=204)
async def delete_key(identifier: str, cloud: CurrentCloud) -> None:
    service.delete(cloud, identifier)
