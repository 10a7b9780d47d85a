"""Routes of /v2/droplets/{id}/actions, and of actions on all droplets with a tag."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from rehearsal.api import schemas
from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.errors import not_found
from rehearsal.resources.droplet_actions import service
from rehearsal.resources.droplet_actions.schemas import DropletAction
from rehearsal.state import lookup
from rehearsal.state.records import Action

router = APIRouter(prefix="/v2/droplets")


@router.post("/actions", status_code=201)
async def create_tagged_actions(
    body: DropletAction, tag_name: Annotated[str, Query(min_length=1)], cloud: CurrentCloud
) -> dict[str, Any]:
    return {
        "actions": [
            schemas.Action.from_record(action)
            for action in service.start_tagged_actions(cloud, tag_name, body)
        ]
    }


@router.get("/{droplet_id}/actions")
async def list_actions(droplet_id: int, cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    lookup.get_droplet(cloud.store, droplet_id)
    actions = [
        action
        for action in cloud.store.all(Action)
        if action.resource_type == "droplet" and action.resource_id == droplet_id
    ]
    return page.response("actions", actions[::-1], schemas.Action.from_record)


@router.post("/{droplet_id}/actions", status_code=201)
async def create_action(
    droplet_id: int, body: DropletAction, cloud: CurrentCloud
) -> dict[str, Any]:
    return {
        "action": schemas.Action.from_record(
            service.start_action(cloud, lookup.get_droplet(cloud.store, droplet_id), body)
        )
    }


@router.get("/{droplet_id}/actions/{action_id}")
async def get_action(droplet_id: int, action_id: int, cloud: CurrentCloud) -> dict[str, Any]:
    lookup.get_droplet(cloud.store, droplet_id)
    action = cloud.store.get(Action, action_id)
    if action is None or (action.resource_type, action.resource_id) != ("droplet", droplet_id):
        raise not_found()
    return {"action": schemas.Action.from_record(action)}
