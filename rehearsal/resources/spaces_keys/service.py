"""Spaces keys: each is limited by its grants. Spaces has been told of a change before it is acknowledged."""

import secrets
import string
from collections.abc import Sequence
from typing import Any

from rehearsal.api.cloud import Cloud
from rehearsal.clock import now
from rehearsal.errors import bad_request, not_found
from rehearsal.resources.spaces_keys import schemas
from rehearsal.resources.spaces_keys.schemas import KeyCreate, KeyReplace, KeyUpdate
from rehearsal.state import spaces_key_file
from rehearsal.state.records import Grant, SpacesKey

MOST = 200
"""Keys that an account may have."""

_CHARACTERS = string.ascii_uppercase + string.digits


def resume(cloud: Cloud) -> None:
    """Tell Spaces what the store says, which a crash may have kept from it."""
    spaces_key_file.publish(cloud.config, _all(cloud))


def listed(
    cloud: Cloud, sort: str, direction: str, name: str, bucket: str, permission: str
) -> list[SpacesKey]:
    """Keys of that name with one grant that is of that bucket and that permission; what is empty is not asked for."""
    found = [
        key
        for key in cloud.store.all(SpacesKey)
        if name in ("", key.name) and _has_grant(key, bucket, permission)
    ]
    found.sort(
        key=lambda key: (key.name, key.created_at) if sort == "name" else (key.created_at, "")
    )
    return found if direction.lower() == "asc" else found[::-1]


def create(cloud: Cloud, body: KeyCreate) -> SpacesKey:
    if len(cloud.store.all(SpacesKey)) >= MOST:
        raise bad_request(f"you have reached the limit of {MOST} Spaces access keys")
    id = "DO00" + "".join(secrets.choice(_CHARACTERS) for _ in range(16))
    key = SpacesKey(
        id=id,
        name=body.name,
        account=cloud.account_name,
        secret=secrets.token_urlsafe(32),
        grants=_grants(body.grants),
        created_at=now(),
    )
    _put(cloud, key)
    return key


def get(cloud: Cloud, access_key: str) -> SpacesKey:
    """Raises: ApiError 404."""
    found = cloud.store.get(SpacesKey, access_key)
    if found is None:
        raise not_found()
    return found


def update(cloud: Cloud, access_key: str, body: KeyReplace | KeyUpdate) -> SpacesKey:
    key = get(cloud, access_key)
    changes: dict[str, Any] = {}
    if body.name is not None:
        changes["name"] = body.name
    if body.grants is not None:
        changes["grants"] = _grants(body.grants)
    changed = key.model_copy(update=changes)
    if _is_full(changed) != _is_full(key):
        raise bad_request(
            "a fullaccess key cannot be converted to a scoped key, nor a scoped key to a fullaccess key"
        )
    _put(cloud, changed)
    return changed


def delete(cloud: Cloud, access_key: str) -> None:
    key = get(cloud, access_key)
    with cloud.store.transaction():
        cloud.store.delete(key)
        spaces_key_file.publish(cloud.config, _all(cloud))


def _put(cloud: Cloud, key: SpacesKey) -> None:
    with cloud.store.transaction():
        cloud.store.put(key)
        spaces_key_file.publish(cloud.config, _all(cloud))


def _all(cloud: Cloud) -> dict[str, spaces_key_file.Key]:
    """Of every account."""
    records = cloud.store.all_accounts(SpacesKey)
    return {
        key.id: spaces_key_file.Key(account=key.account, secret=key.secret, grants=key.grants)
        for key in records
    }


def _grants(asked: Sequence[schemas.Grant]) -> list[Grant]:
    """As they are kept: full access stands alone."""
    if any(grant.permission == "fullaccess" for grant in asked):
        return [spaces_key_file.FULL_ACCESS]
    return [Grant(bucket=grant.bucket, permission=grant.permission) for grant in asked]


def _is_full(key: SpacesKey) -> bool:
    return any(grant.permission == "fullaccess" for grant in key.grants)


def _has_grant(key: SpacesKey, bucket: str, permission: str) -> bool:
    if not bucket and not permission:
        return True
    return any(
        bucket in ("", grant.bucket) and permission in ("", grant.permission)
        for grant in key.grants
    )
