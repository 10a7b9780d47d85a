"""Which transfers of an image are under way."""

from rehearsal.state.records import Action, Image
from rehearsal.state.states import ActionStatus
from rehearsal.state.store import Store


def regions(store: Store, image: Image) -> set[str]:
    """Where the image is on its way to."""
    return {
        action.arguments["region"]
        for action in store.all(Action)
        if (action.resource_type, action.type, action.resource_id)
        == ("image", "transfer", image.id)
        and action.status is ActionStatus.IN_PROGRESS
    }
