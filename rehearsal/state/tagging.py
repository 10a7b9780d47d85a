"""Tags by name, and what happens to them when something is tagged."""

import re

from rehearsal.errors import unprocessable
from rehearsal.state.records import Tag
from rehearsal.state.store import Store

LONGEST = 255
_NAME = re.compile(r"[A-Za-z0-9_:-]+")


def is_valid(name: str) -> bool:
    return len(name) <= LONGEST and _NAME.fullmatch(name) is not None


def find(store: Store, name: str) -> Tag | None:
    """The tag of that name, in any case of its letters."""
    return store.get(Tag, name.lower())


def check(names: list[str]) -> None:
    """Raises: ApiError 422 naming the first that cannot be a tag."""
    for name in names:
        if not is_valid(name):
            raise unprocessable(
                f"tag {name!r} is invalid: letters, numbers, colons, dashes and underscores, 255 at most"
            )


def ensure(store: Store, names: list[str]) -> list[str]:
    """The names in the case in which they were first created, each once; new ones are made. Only in a transaction."""
    kept: dict[str, None] = {}
    for name in names:
        tag = find(store, name)
        if tag is None:
            tag = Tag(id=name.lower(), name=name)
            store.put(tag)
        kept[tag.name] = None
    return list(kept)
