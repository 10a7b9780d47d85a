"""Route of /v2/regions."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.paging import Paging
from rehearsal.catalog.regions import REGIONS, Region

router = APIRouter()


@router.get("/v2/regions")
async def list_regions(page: Paging) -> dict[str, Any]:
    return page.response("regions", list(REGIONS.values()), Region.model_dump)
