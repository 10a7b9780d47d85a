"""/v2/certificates, for clients that look up the certificates of a load balancer's rules: there are none."""

from typing import Any

from fastapi import APIRouter

from rehearsal.errors import not_found
from rehearsal.paging import Paging

router = APIRouter()


@router.get("/v2/certificates")
async def list_certificates(page: Paging) -> dict[str, Any]:
    return page.of("certificates", [], dict)


@router.get("/v2/certificates/{certificate_id}")
async def get_certificate(certificate_id: str) -> dict[str, Any]:
    raise not_found()
