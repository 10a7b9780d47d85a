"""Routes of /v2/images/{id}/actions."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api import schemas
from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.errors import not_found
from rehearsal.resources.image_actions import service
from rehearsal.resources.image_actions.schemas import ImageAction
from rehearsal.state.records import Action

router = APIRouter(prefix="/v2/images/{image_id}/actions")


@router.get("")
async def list_actions(image_id: int, cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    service.get(cloud, image_id)
    actions = [
        action
        for action in cloud.store.all(Action)
        if action.resource_type == "image" and action.resource_id == image_id
    ]
    return page.response("actions", actions[::-1], schemas.Action.from_record)


@router.post("", status_code=201)
async def create_action(image_id: int, body: ImageAction, cloud: CurrentCloud) -> dict[str, Any]:
    return {
        "action": schemas.Action.from_record(
            service.start_action(cloud, service.get(cloud, image_id), body)
        )
    }


@router.get("/{action_id}")
async def get_action(image_id: int, action_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    service.get(cloud, image_id)
    action = cloud.store.get(Action, action_id)
    if action is None or (action.resource_type, action.resource_id) != ("image", image_id):
        raise not_found()
    return {"action": schemas.Action.from_record(action)}
