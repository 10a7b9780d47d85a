"""Resources that a destroyed stack left in the account."""

from collections.abc import Iterable, Mapping
from typing import Any

from deploy.account import Account, CloudResource


def search(
    resources: Iterable[Mapping[str, Any]], tags: Iterable[str], account: Account
) -> list[CloudResource]:
    """Return what the account still has of a stack.

    Args:
        resources: those of the state before the destroy; the account is searched for their ids.
        tags: those of the stack's droplets; the account is searched for them too.

    Raises:
        AccountError, ApiError: the account cannot be searched.
    """
    found = account.remaining(resources) + account.tagged(tags)
    by_id = {(resource.kind.replace(" ", ""), resource.id): resource for resource in found}
    return sorted(by_id.values(), key=lambda resource: (resource.kind, resource.name))
