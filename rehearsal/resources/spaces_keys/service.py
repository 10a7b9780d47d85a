"""Spaces keys and their grants. Spaces has each change before the API responds."""

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

MAX_KEYS_PER_ACCOUNT = 200

_CHARACTERS = string.ascii_uppercase + string.digits


def resume(cloud: Cloud) -> None:
    """Publish the stored keys, which a crash may have prevented."""
    spaces_key_file.publish(cloud.config, _published_keys(cloud))


def list_matching(
    cloud: Cloud, sort: str, direction: str, name: str, bucket: str, permission: str
) -> list[SpacesKey]:
    """Return the keys with a name, and with a grant for a bucket and permission.

    An empty string matches any.
    """
    keys = [
        key
        for key in cloud.store.all(SpacesKey)
        if name in ("", key.name) and _has_grant(key, bucket, permission)
    ]
    keys.sort(
        key=lambda key: (key.name, key.created_at) if sort == "name" else (key.created_at, "")
    )
    return keys if direction.lower() == "asc" else keys[::-1]


def create(cloud: Cloud, body: KeyCreate) -> SpacesKey:
    if len(cloud.store.all(SpacesKey)) >= MAX_KEYS_PER_ACCOUNT:
        raise bad_request(
            f"you have reached the limit of {MAX_KEYS_PER_ACCOUNT} Spaces access keys"
        )
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
    """Return a key.

    Raises:
        ApiError: 404
    """
    key = cloud.store.get(SpacesKey, access_key)
    if key is None:
        raise not_found()
    return key


def update(cloud: Cloud, access_key: str, body: KeyReplace | KeyUpdate) -> SpacesKey:
    key = get(cloud, access_key)
    changes: dict[str, Any] = {}
    if body.name is not None:
        changes["name"] = body.name
    if body.grants is not None:
        changes["grants"] = _grants(body.grants)
    changed = key.model_copy(update=changes)
    if _has_full_access(changed) != _has_full_access(key):
        raise bad_request(
            "a fullaccess key cannot be converted to a scoped key, "
            "nor a scoped key to a fullaccess key"
        )
    _put(cloud, changed)
    return changed


def delete(cloud: Cloud, access_key: str) -> None:
    key = get(cloud, access_key)
    with cloud.store.transaction():
        cloud.store.delete(key)
        spaces_key_file.publish(cloud.config, _published_keys(cloud))


def _put(cloud: Cloud, key: SpacesKey) -> None:
    with cloud.store.transaction():
        cloud.store.put(key)
        spaces_key_file.publish(cloud.config, _published_keys(cloud))


def _published_keys(cloud: Cloud) -> dict[str, spaces_key_file.Key]:
    """Return the keys of all accounts."""
    records = cloud.store.all_accounts(SpacesKey)
    return {
        key.id: spaces_key_file.Key(account=key.account, secret=key.secret, grants=key.grants)
        for key in records
    }


def _grants(grants: Sequence[schemas.Grant]) -> list[Grant]:
    """Return the grants as stored: full access replaces all others."""
    if any(grant.permission == "fullaccess" for grant in grants):
        return [spaces_key_file.FULL_ACCESS]
    return [Grant(bucket=grant.bucket, permission=grant.permission) for grant in grants]


def _has_full_access(key: SpacesKey) -> bool:
    return any(grant.permission == "fullaccess" for grant in key.grants)


def _has_grant(key: SpacesKey, bucket: str, permission: str) -> bool:
    if not bucket and not permission:
        return True
    return any(
        bucket in ("", grant.bucket) and permission in ("", grant.permission)
        for grant in key.grants
    )
