"""Routes of /v2/certificates."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.certificates import service
from rehearsal.resources.certificates.schemas import Certificate, CertificateCreate

router = APIRouter()


@router.get("/v2/certificates")
async def list_certificates(cloud: CurrentCloud, page: Paging, name: str = "") -> dict[str, Any]:
    return page.response("certificates", service.list_by_name(cloud, name), Certificate.from_record)


@router.post("/v2/certificates", status_code=201)
async def create_certificate(body: CertificateCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"certificate": Certificate.from_record(service.create(cloud, body))}


@router.get("/v2/certificates/{certificate_id}")
async def get_certificate(certificate_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"certificate": Certificate.from_record(service.get(cloud, certificate_id))}


@router.delete("/v2/certificates/{certificate_id}", status_code=204)
async def delete_certificate(certificate_id: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, service.get(cloud, certificate_id))
