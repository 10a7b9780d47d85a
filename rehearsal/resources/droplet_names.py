"""What a droplet may be called, when it is made and when it is renamed."""

import re

from rehearsal.errors import unprocessable

LONGEST = 255
_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")


def check(name: str) -> None:
    """Raises: ApiError 422."""
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
