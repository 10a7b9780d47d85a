"""/v2/spaces/keys."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.errors import bad_request, from_validation
from rehearsal.resources.spaces_keys import service
from rehearsal.resources.spaces_keys.schemas import (
    KeyCreate,
    KeyReplace,
    KeyUpdate,
    SpacesKey,
    with_secret,
)


class Route(APIRoute):
    """A body that is not as it should be is a 400 here, where other rooms have a 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                refusal = from_validation(error)
                raise bad_request(refusal.message) if refusal.status == 422 else refusal from error

        return handled


router = APIRouter(prefix="/v2/spaces/keys", route_class=Route)


@router.get("")
async def list_keys(
    cloud: CurrentCloud,
    page: Paging,
    sort: str = "created_at",
    sort_direction: str = "desc",
    name: str = "",
    bucket: str = "",
    permission: str = "",
) -> dict[str, Any]:
    return page.response(
        "keys",
        service.listed(cloud, sort, sort_direction, name, bucket, permission),
        SpacesKey.from_record,
    )


@router.post("", status_code=201)
async def create_key(body: KeyCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"key": with_secret(service.create(cloud, body))}


@router.get("/{access_key}")
async def get_key(access_key: str, cloud: CurrentCloud) -> dict[str, Any]:
    """Under the name that godo reads, and in the list of which the API's description tells."""
    key = SpacesKey.from_record(service.get(cloud, access_key))
    return {"key": key, "keys": [key]}


@router.put("/{access_key}")
async def replace_key(access_key: str, body: KeyReplace, cloud: CurrentCloud) -> dict[str, Any]:
    return {"key": SpacesKey.from_record(service.update(cloud, access_key, body))}


@router.patch("/{access_key}")
async def update_key(access_key: str, body: KeyUpdate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"key": SpacesKey.from_record(service.update(cloud, access_key, body))}


@router.delete("/{access_key}", status_code=204)
async def delete_key(access_key: str, cloud: CurrentCloud) -> None:
    service.delete(cloud, access_key)
