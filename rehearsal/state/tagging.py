"""Tags by name: validation, lookup and creation."""

import re

from rehearsal.errors import unprocessable
from rehearsal.state.records import Tag
from rehearsal.state.store import Store

MAX_NAME_LENGTH = 255
_NAME = re.compile(r"[A-Za-z0-9_:-]+")


def is_valid_name(name: str) -> bool:
    return len(name) <= MAX_NAME_LENGTH and _NAME.fullmatch(name) is not None


def find_tag(store: Store, name: str) -> Tag | None:
    """Return a tag by its name, which is case-insensitive."""
    return store.get(Tag, name.lower())


def check_names(names: list[str]) -> None:
    """Check tag names.

    Raises:
        ApiError: 422 with the first invalid name.
    """
    for name in names:
        if not is_valid_name(name):
            raise unprocessable(
                f"tag {name!r} is invalid: "
                "letters, numbers, colons, dashes and underscores, 255 at most"
            )


def ensure_tags(store: Store, names: list[str]) -> list[str]:
    """Create tags that do not exist, and return the names of all without repetitions.

    An existing tag keeps the case in which it was created. Call in a transaction.
    """
    unique: dict[str, None] = {}
    for name in names:
        tag = find_tag(store, name)
        if tag is None:
            tag = Tag(id=name.lower(), name=name)
            store.put(tag)
        unique[tag.name] = None
    return list(unique)
