"""Proof that a destroyed stack left nothing that costs money."""

from collections.abc import Iterable
from typing import Any

from deploy.account import Account, CloudResource


def search(had: Iterable[dict[str, Any]], tags: Iterable[str]) -> list[CloudResource]:
    """What the account still has of ``had`` (the state's resources before the destroy): asked for by id, and by the stack's tags.

    Raises:
        AccountError: the account cannot be asked, so nothing is proven.
    """
    account = Account()
    found = account.remaining(had) + account.tagged(tags)
    by_id = {(thing.kind.replace(" ", ""), thing.id): thing for thing in found}
    return sorted(by_id.values(), key=lambda thing: (thing.kind, thing.name))


def base_images() -> list[CloudResource]:
    """The base images that the account still has. Stacks share them, so that one of them is not this stack's remains.

    Raises:
        AccountError: the account cannot be asked.
    """
    return sorted(Account().base_images(), key=lambda image: image.name)
