"""Route of /v2/sizes."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.paging import Paging
from rehearsal.catalog.sizes import SIZES, Size

router = APIRouter()


@router.get("/v2/sizes")
async def list_sizes(page: Paging) -> dict[str, Any]:
    return page.response("sizes", list(SIZES.values()), Size.model_dump)
