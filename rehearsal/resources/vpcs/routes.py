"""Routes of /v2/vpcs."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.vpcs import service
from rehearsal.resources.vpcs.schemas import Member, Vpc, VpcCreate, VpcReplace, VpcUpdate
from rehearsal.state import lookup, records

router = APIRouter(prefix="/v2/vpcs")


@router.get("")
async def list_vpcs(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response("vpcs", cloud.store.all(records.Vpc), Vpc.from_record)


@router.post("", status_code=201)
async def create_vpc(body: VpcCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"vpc": Vpc.from_record(await service.create(cloud, body))}


@router.get("/{vpc_id}")
async def get_vpc(vpc_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"vpc": Vpc.from_record(lookup.get_vpc(cloud.store, vpc_id))}


@router.put("/{vpc_id}")
async def replace_vpc(vpc_id: str, body: VpcReplace, cloud: CurrentCloud) -> dict[str, Any]:
    return {
        "vpc": Vpc.from_record(service.update(cloud, lookup.get_vpc(cloud.store, vpc_id), body))
    }


@router.patch("/{vpc_id}")
async def update_vpc(vpc_id: str, body: VpcUpdate, cloud: CurrentCloud) -> dict[str, Any]:
    return {
        "vpc": Vpc.from_record(service.update(cloud, lookup.get_vpc(cloud.store, vpc_id), body))
    }


@router.delete("/{vpc_id}", status_code=204)
async def delete_vpc(vpc_id: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, lookup.get_vpc(cloud.store, vpc_id))


@router.get("/{vpc_id}/members")
async def list_members(
    vpc_id: str, cloud: CurrentCloud, page: Paging, resource_type: str = ""
) -> dict[str, Any]:
    return page.response(
        "members",
        service.list_members(cloud, lookup.get_vpc(cloud.store, vpc_id), resource_type),
        Member.from_record,
    )
