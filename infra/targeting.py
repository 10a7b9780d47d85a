"""What an update of some targets only (``pulumi up --target``) leaves undone.

The engine skips what is neither targeted nor there yet, and to the program every output of it is None, and known.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import pulumi

T = TypeVar("T")
U = TypeVar("U")


def apply_if_created(output: pulumi.Output[T], function: Callable[[T], U]) -> pulumi.Output[U]:
    """``function`` of an output, or None where there is none because its resource was skipped: nobody uses it then."""
    return cast(
        "pulumi.Output[U]", output.apply(lambda value: None if value is None else function(value))
    )
