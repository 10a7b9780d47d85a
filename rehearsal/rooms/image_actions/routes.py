"""/v2/images/{id}/actions."""

from typing import Any

from fastapi import APIRouter

from rehearsal import wire
from rehearsal.cloud import TheCloud
from rehearsal.errors import not_found
from rehearsal.paging import Paging
from rehearsal.records import Action
from rehearsal.rooms.image_actions import rules
from rehearsal.rooms.image_actions.shapes import ImageAction

router = APIRouter(prefix="/v2/images/{image_id}/actions")


@router.get("")
async def list_actions(image_id: int, cloud: TheCloud, page: Paging) -> dict[str, Any]:
    rules.find(cloud, image_id)
    found = [action for action in cloud.store.all(Action) if action.resource_type == "image" and action.resource_id == image_id]
    return page.of("actions", found[::-1], wire.Action.of)


@router.post("", status_code=201)
async def act(image_id: int, body: ImageAction, cloud: TheCloud) -> dict[str, Any]:
    return {"action": wire.Action.of(rules.begin(cloud, rules.find(cloud, image_id), body))}


@router.get("/{action_id}")
async def get_action(image_id: int, action_id: int, cloud: TheCloud) -> dict[str, Any]:
    rules.find(cloud, image_id)
    action = cloud.store.get(Action, action_id)
    if action is None or (action.resource_type, action.resource_id) != ("image", image_id):
        raise not_found()
    return {"action": wire.Action.of(action)}
