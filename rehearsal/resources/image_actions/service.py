"""Transfers of images to other regions. All regions share one disk, so nothing is copied."""

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, create_action
from rehearsal.errors import unprocessable
from rehearsal.resources import image_transfer
from rehearsal.resources.image_actions.schemas import ImageAction
from rehearsal.state import lookup
from rehearsal.state.records import Action, Image
from rehearsal.topology.protocol import MachineError


def get(cloud: Cloud, image_id: int) -> Image:
    """Return an image.

    Raises:
        ApiError: 404
    """
    return lookup.get_image(cloud.store, image_id)


def start_action(cloud: Cloud, image: Image, body: ImageAction) -> Action:
    """Start an action on an image.

    Raises:
        ApiError: 422 if the image is in the region already, or for a conversion.
    """
    if body.type == "convert":
        raise unprocessable("Only a backup can be converted to a snapshot.")
    if lookup.find_region(body.region) is None:
        raise unprocessable("You specified an invalid region for Image transfer.")
    if body.region in image.regions:
        raise unprocessable(f"The image is already available in region {body.region}.")
    if body.region in image_transfer.pending_regions(cloud.store, image):
        raise unprocessable(f"The image is already being transferred to region {body.region}.")
    with cloud.store.transaction():
        action = create_action(
            cloud.store, "image", "transfer", image.id, image.regions[0], {"region": body.region}
        )
    cloud.worker.start(action)
    return action


def register_handlers(cloud: Cloud) -> None:
    """Register the handler of image transfers."""

    async def transfer(action: Action) -> Commit:
        return lambda: _add_region(cloud, action)

    def keep(action: Action) -> None:
        """Leave the image as it is."""

    cloud.worker.register("image", "transfer", Handler(transfer, keep))


def _add_region(cloud: Cloud, action: Action) -> None:
    image = lookup.find_image(cloud.store, action.resource_id)
    if image is None:
        raise MachineError("the image was deleted in the meantime")
    regions = dict.fromkeys([*image.regions, action.arguments["region"]])
    cloud.store.put(image.model_copy(update={"regions": list(regions)}))
