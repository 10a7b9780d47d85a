"""Resources that exist only in the Pulumi state."""

from typing import ClassVar, Generic

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import State
from rehearsal.plugins.resource import C, Change, Resource


class LocalResource(Resource[C], Generic[C]):
    """A resource without a service: reading it changes nothing, deleting it only forgets it."""

    reads_back: ClassVar[bool] = False

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError(
                "Resource Import Not Implemented: this resource does not support import"
            )
        return {}

    def update(self, change: Change) -> None:
        """Do nothing: only the state changes."""

    def delete(self, change: Change) -> None:
        """Do nothing: the engine removes the state."""
