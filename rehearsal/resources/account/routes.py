"""Route of /v2/account."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.catalog import account as catalog

router = APIRouter()


@router.get("/v2/account")
async def get_account(cloud: CurrentCloud) -> dict[str, Any]:
    account = cloud.account
    uuid = account.uuid(cloud.config)
    return {
        "account": {
            "droplet_limit": account.droplet_limit,
            "floating_ip_limit": account.reserved_ip_limit,
            "reserved_ip_limit": account.reserved_ip_limit,
            "volume_limit": catalog.VOLUME_LIMIT,
            "name": account.team,
            "email": account.email,
            "uuid": uuid,
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"name": account.team, "uuid": uuid},
        }
    }
