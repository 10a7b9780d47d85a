"""A property's name as Pulumi writes it, and as APIs do."""

import re
from collections.abc import Iterable


def snake(key: str) -> str:
    """``vpcUuid`` as ``vpc_uuid``."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


def camel(field: str) -> str:
    """``vpc_uuid`` as ``vpcUuid``."""
    head, *rest = field.split("_")
    return head + "".join(part.title() for part in rest)


def fields(keys: Iterable[str]) -> dict[str, str]:
    """The API's field of each property, where both have one name in two writings."""
    return {key: snake(key) for key in keys}
