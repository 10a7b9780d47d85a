"""Errors that an emulator reports to the engine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class PluginError(Exception):
    """An operation failed. The engine shows the message to the user unchanged."""


class PartialFailureError(PluginError):
    """A resource exists but is incomplete.

    The engine keeps ``state`` and updates the resource with the next ``pulumi up``.
    """

    def __init__(
        self, message: str, resource_id: str, state: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.state = state
        self.inputs = inputs


@contextmanager
def error_context(context: str) -> Iterator[None]:
    """Prefix the message of a PluginError with ``context``."""
    try:
        yield
    except PluginError as error:
        raise PluginError(f"{context}: {error}") from error
