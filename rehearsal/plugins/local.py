"""Resources that are in the state alone: no service knows them."""

from typing import ClassVar, Generic

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.resource import C, Change, Resource
from rehearsal.plugins.properties import State


class LocalResource(Resource[C], Generic[C]):
    """Made once and kept by the engine: reading it tells nothing new, and to delete it is to forget it."""

    reads_back: ClassVar[bool] = False

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError(
                "Resource Import Not Implemented: this resource does not support import"
            )
        return {}

    def update(self, change: Change) -> None:
        """Only the state changes."""

    def delete(self, change: Change) -> None:
        """There is nothing but the state."""
