"""/v2/spaces/keys."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from rehearsal.api.cloud import TheCloud
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
    cloud: TheCloud,
    page: Paging,
    sort: str = "created_at",
    sort_direction: str = "desc",
    name: str = "",
    bucket: str = "",
    permission: str = "",
) -> dict[str, Any]:
    return page.of(
        "keys", service.listed(cloud, sort, sort_direction, name, bucket, permission), SpacesKey.of
    )


@router.post("", status_code=201)
async def create_key(body: KeyCreate, cloud: TheCloud) -> dict[str, Any]:
    return {"key": with_secret(service.create(cloud, body))}


@router.get("/{access_key}")
async def get_key(access_key: str, cloud: TheCloud) -> dict[str, Any]:
    """Under the name that godo reads, and in the list of which the API's description tells."""
    key = SpacesKey.of(service.find(cloud, access_key))
    return {"key": key, "keys": [key]}


@router.put("/{access_key}")
async def replace_key(access_key: str, body: KeyReplace, cloud: TheCloud) -> dict[str, Any]:
    return {"key": SpacesKey.of(service.update(cloud, access_key, body))}


@router.patch("/{access_key}")
async def update_key(access_key: str, body: KeyUpdate, cloud: TheCloud) -> dict[str, Any]:
    return {"key": SpacesKey.of(service.update(cloud, access_key, body))}


@router.delete("/{access_key}", status_code=204)
async def delete_key(access_key: str, cloud: TheCloud) -> None:
    service.delete(cloud, access_key)
