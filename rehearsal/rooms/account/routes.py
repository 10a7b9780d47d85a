"""GET /v2/account."""

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from fastapi import APIRouter

from rehearsal.catalog import account
from rehearsal.cloud import TheCloud

router = APIRouter()


@router.get("/v2/account")
async def get_account(cloud: TheCloud) -> dict[str, Any]:
    owner = str(uuid5(NAMESPACE_DNS, cloud.config.domain))
    return {
        "account": {
            "droplet_limit": account.DROPLET_LIMIT,
            "floating_ip_limit": account.RESERVED_IP_LIMIT,
            "reserved_ip_limit": account.RESERVED_IP_LIMIT,
            "name": account.TEAM,
            "email": account.EMAIL,
            "uuid": owner,
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"name": account.TEAM, "uuid": owner},
        }
    }
