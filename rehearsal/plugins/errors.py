"""What a stand-in reports to the engine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class PluginError(Exception):
    """An operation failed; the message is shown to the user as it is."""


class PartialFailureError(PluginError):
    """A resource exists, but not as it was asked for: the engine keeps ``state`` and tries again at the next update."""

    def __init__(
        self, message: str, resource_id: str, state: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.state = state
        self.inputs = inputs


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Put in front of a failure what was being done."""
    try:
        yield
    except PluginError as error:
        raise PluginError(f"{what}: {error}") from error
