"""Deletion of images: immediate for clients, in the background on the disk."""

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, create_action
from rehearsal.errors import unprocessable
from rehearsal.resources import image_transfer
from rehearsal.state.records import Action, Image
from rehearsal.state.states import DELETE_IMAGE


def delete_image(cloud: Cloud, image: Image) -> None:
    """Delete an image, and start an action that removes its disk.

    Raises:
        ApiError: 422 while the image is being transferred.
    """
    if image_transfer.pending_regions(cloud.store, image):
        raise unprocessable("The image is being transferred and can not be deleted.")
    with cloud.store.transaction():
        cloud.store.put(image.model_copy(update={"status": DELETE_IMAGE(image.status)}))
        action = create_action(cloud.store, "image", "image_destroy", image.id, image.regions[0])
    cloud.worker.start(action)


def register_handlers(cloud: Cloud) -> None:
    """Register the handler that removes disks of images."""

    async def remove(action: Action) -> Commit:
        await cloud.machines.delete_image(str(action.resource_id))
        return lambda: _delete_record(cloud, action.resource_id)

    def keep(action: Action) -> None:
        """Leave the disk. Clients do not see the image any more."""

    cloud.worker.register("image", "image_destroy", Handler(remove, keep))


def _delete_record(cloud: Cloud, id: int) -> None:
    image = cloud.store.get(Image, id)
    if image:
        cloud.store.delete(image)
