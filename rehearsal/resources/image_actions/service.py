"""Transfers of an image to another region. All regions share this machine's disk: nothing is copied."""

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, create_action
from rehearsal.errors import not_found, unprocessable
from rehearsal.resources import image_transfer
from rehearsal.resources.image_actions.schemas import ImageAction
from rehearsal.state import lookup
from rehearsal.state.records import Action, Image
from rehearsal.topology.protocol import MachineError


def get(cloud: Cloud, image_id: int) -> Image:
    """Raises: ApiError 404."""
    image = lookup.find_image(cloud.store, image_id)
    if image is None:
        raise not_found()
    return image


def begin(cloud: Cloud, image: Image, body: ImageAction) -> Action:
    """Raises: ApiError 422 if the image is there already, or there is nothing to convert."""
    if body.type == "convert":
        raise unprocessable("Only a backup can be converted to a snapshot.")
    if lookup.find_region(body.region) is None:
        raise unprocessable("You specified an invalid region for Image transfer.")
    if body.region in image.regions:
        raise unprocessable(f"The image is already available in region {body.region}.")
    if body.region in image_transfer.regions(cloud.store, image):
        raise unprocessable(f"The image is already being transferred to region {body.region}.")
    with cloud.store.transaction():
        action = create_action(
            cloud.store, "image", "transfer", image.id, image.regions[0], {"region": body.region}
        )
    cloud.worker.start(action)
    return action


def register_handlers(cloud: Cloud) -> None:
    """Tell the worker how images are transferred."""

    async def transfer(action: Action) -> Commit:
        return lambda: _arrive(cloud, action)

    def stay(action: Action) -> None:
        """It remains where it was."""

    cloud.worker.register("image", "transfer", Handler(transfer, stay))


def _arrive(cloud: Cloud, action: Action) -> None:
    image = lookup.find_image(cloud.store, action.resource_id)
    if image is None:
        raise MachineError("the image was deleted meanwhile")
    regions = dict.fromkeys([*image.regions, action.arguments["region"]])
    cloud.store.put(image.model_copy(update={"regions": list(regions)}))
