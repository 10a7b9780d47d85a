"""Routes of /v2/actions: all actions of the account, the newest first."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api import schemas
from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.errors import not_found
from rehearsal.state.records import Action

router = APIRouter()


@router.get("/v2/actions")
async def list_actions(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response("actions", cloud.store.all(Action)[::-1], schemas.Action.from_record)


@router.get("/v2/actions/{action_id}")
async def get_action(action_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    action = cloud.store.get(Action, action_id)
    if action is None:
        raise not_found()
    return {"action": schemas.Action.from_record(action)}
