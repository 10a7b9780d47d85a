"""Outputs in an update of selected resources (``pulumi up --target``).

The engine skips a resource that is not selected and does not exist yet. All its outputs resolve to
None.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import pulumi

T = TypeVar("T")
U = TypeVar("U")


def apply_if_created(output: pulumi.Output[T], function: Callable[[T], U]) -> pulumi.Output[U]:
    """Return ``function`` of the output, or None if its resource is skipped."""
    return cast(
        "pulumi.Output[U]", output.apply(lambda value: None if value is None else function(value))
    )
