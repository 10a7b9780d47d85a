"""Validation of droplet names."""

import re

from rehearsal.errors import unprocessable

MAX_LENGTH = 255
_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")


def check(name: str) -> None:
    """Check a name.

    Raises:
        ApiError: 422 if the name is invalid.
    """
    if len(name) > MAX_LENGTH or not _NAME.fullmatch(name):
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
