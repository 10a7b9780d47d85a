"""Conversion between property names of Pulumi and field names of APIs."""

import re
from collections.abc import Iterable


def to_snake_case(key: str) -> str:
    """Convert ``vpcUuid`` to ``vpc_uuid``."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


def to_camel_case(field: str) -> str:
    """Convert ``vpc_uuid`` to ``vpcUuid``."""
    head, *rest = field.split("_")
    return head + "".join(part.title() for part in rest)


def snake_case_fields(keys: Iterable[str]) -> dict[str, str]:
    """Return the API field of each property, for an API that uses snake case."""
    return {key: to_snake_case(key) for key in keys}
