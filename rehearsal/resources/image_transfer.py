"""Image transfers in progress."""

from rehearsal.state.records import Action, Image
from rehearsal.state.states import ActionStatus
from rehearsal.state.store import Store


def pending_regions(store: Store, image: Image) -> set[str]:
    """Return the regions that the image is being transferred to."""
    return {
        action.arguments["region"]
        for action in store.all(Action)
        if (action.resource_type, action.type, action.resource_id)
        == ("image", "transfer", image.id)
        and action.status is ActionStatus.IN_PROGRESS
    }
