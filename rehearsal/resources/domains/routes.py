"""Routes of /v2/domains, and of a domain's records."""

from typing import Any, Literal

from fastapi import APIRouter

from rehearsal.api.cloud import Cloud, CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.domains import service
from rehearsal.resources.domains.schemas import (
    Domain,
    DomainCreate,
    DomainRecord,
    RecordCreate,
    RecordUpdate,
)
from rehearsal.state import domains
from rehearsal.topology import zones

router = APIRouter(prefix="/v2/domains")


@router.get("")
async def list_domains(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    records = zones.group_by_domain(cloud.store.all(domains.DomainRecord))
    return page.response(
        "domains",
        cloud.store.all(domains.Domain),
        lambda domain: Domain.from_record(domain, records[domain.id]),
    )


@router.post("", status_code=201)
async def create_domain(body: DomainCreate, cloud: CurrentCloud) -> dict[str, Any]:
    """Create a domain. Like the real API, the response has no zone file."""
    domain = _to_json(cloud, await service.create(cloud, body))
    return {"domain": domain.model_copy(update={"zone_file": None})}


@router.get("/{domain_name}")
async def get_domain(domain_name: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"domain": _to_json(cloud, service.get(cloud, domain_name))}


@router.delete("/{domain_name}", status_code=204)
async def delete_domain(domain_name: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, service.get(cloud, domain_name))


@router.get("/{domain_name}/records")
async def list_records(
    domain_name: str,
    cloud: CurrentCloud,
    page: Paging,
    name: str = "",
    type: domains.RecordType | Literal[""] = "",
) -> dict[str, Any]:
    domain = service.get(cloud, domain_name)
    return page.response(
        "domain_records", service.find_records(cloud, domain, name, type), DomainRecord.from_record
    )


@router.post("/{domain_name}/records", status_code=201)
async def create_record(
    domain_name: str, body: RecordCreate, cloud: CurrentCloud
) -> dict[str, Any]:
    return {
        "domain_record": DomainRecord.from_record(
            await service.add_record(cloud, service.get(cloud, domain_name), body)
        )
    }


@router.get("/{domain_name}/records/{record_id}")
async def get_record(domain_name: str, record_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    return {
        "domain_record": DomainRecord.from_record(
            service.get_record(cloud, service.get(cloud, domain_name), record_id)
        )
    }


@router.put("/{domain_name}/records/{record_id}")
@router.patch("/{domain_name}/records/{record_id}")
async def update_record(
    domain_name: str, record_id: int, body: RecordUpdate, cloud: CurrentCloud
) -> dict[str, Any]:
    domain = service.get(cloud, domain_name)
    changed = await service.update_record(
        cloud, domain, service.get_record(cloud, domain, record_id), body
    )
    return {"domain_record": DomainRecord.from_record(changed)}


@router.delete("/{domain_name}/records/{record_id}", status_code=204)
async def delete_record(domain_name: str, record_id: int, cloud: CurrentCloud) -> None:
    domain = service.get(cloud, domain_name)
    await service.delete_record(cloud, domain, service.get_record(cloud, domain, record_id))


def _to_json(cloud: Cloud, domain: domains.Domain) -> Domain:
    return Domain.from_record(domain, domains.list_records(cloud.store, domain))
