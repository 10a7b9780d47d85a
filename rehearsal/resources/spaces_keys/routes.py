"""Routes of /v2/spaces/keys."""

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


class BadRequestRoute(APIRoute):
    """A route that responds to an invalid body with 400 instead of 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def convert_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                api_error = from_validation(error)
                if api_error.status == 422:
                    api_error = bad_request(api_error.message)
                raise api_error from error

        return convert_errors


router = APIRouter(prefix="/v2/spaces/keys", route_class=BadRequestRoute)


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
        service.list_matching(cloud, sort, sort_direction, name, bucket, permission),
        SpacesKey.from_record,
    )


@router.post("", status_code=201)
async def create_key(body: KeyCreate, cloud: CurrentCloud) -> dict[str, Any]:
    return {"key": with_secret(service.create(cloud, body))}


@router.get("/{access_key}")
async def get_key(access_key: str, cloud: CurrentCloud) -> dict[str, Any]:
    """Return the key twice: as ``key``, which godo reads, and as the specified list ``keys``."""
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
