"""/v2/vpcs."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import TheCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.vpcs import service
from rehearsal.resources.vpcs.schemas import Member, Vpc, VpcCreate, VpcReplace, VpcUpdate
from rehearsal.state import lookup, records

router = APIRouter(prefix="/v2/vpcs")


@router.get("")
async def list_vpcs(cloud: TheCloud, page: Paging) -> dict[str, Any]:
    return page.of("vpcs", cloud.store.all(records.Vpc), Vpc.of)


@router.post("", status_code=201)
async def create_vpc(body: VpcCreate, cloud: TheCloud) -> dict[str, Any]:
    return {"vpc": Vpc.of(await service.create(cloud, body))}


@router.get("/{vpc_id}")
async def get_vpc(vpc_id: str, cloud: TheCloud) -> dict[str, Any]:
    return {"vpc": Vpc.of(lookup.vpc(cloud.store, vpc_id))}


@router.put("/{vpc_id}")
async def replace_vpc(vpc_id: str, body: VpcReplace, cloud: TheCloud) -> dict[str, Any]:
    return {"vpc": Vpc.of(service.replace(cloud, lookup.vpc(cloud.store, vpc_id), body))}


@router.patch("/{vpc_id}")
async def update_vpc(vpc_id: str, body: VpcUpdate, cloud: TheCloud) -> dict[str, Any]:
    return {"vpc": Vpc.of(service.replace(cloud, lookup.vpc(cloud.store, vpc_id), body))}


@router.delete("/{vpc_id}", status_code=204)
async def delete_vpc(vpc_id: str, cloud: TheCloud) -> None:
    await service.delete(cloud, lookup.vpc(cloud.store, vpc_id))


@router.get("/{vpc_id}/members")
async def list_members(
    vpc_id: str, cloud: TheCloud, page: Paging, resource_type: str = ""
) -> dict[str, Any]:
    return page.of(
        "members", service.members(cloud, lookup.vpc(cloud.store, vpc_id), resource_type), Member.of
    )
