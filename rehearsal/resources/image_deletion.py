"""How images go: at once for clients, in the background on disk."""

from rehearsal.api.cloud import Cloud
from rehearsal.api.worker import Commit, Handler, create_action
from rehearsal.errors import unprocessable
from rehearsal.resources import image_transfer
from rehearsal.state.records import Action, Image
from rehearsal.state.states import DELETE_IMAGE


def discard(cloud: Cloud, image: Image) -> None:
    """Begin to remove an image.

    Raises:
        ApiError: 422 while it is being transferred
    """
    if image_transfer.regions(cloud.store, image):
        raise unprocessable("The image is being transferred and can not be deleted.")
    with cloud.store.transaction():
        cloud.store.put(image.model_copy(update={"status": DELETE_IMAGE(image.status)}))
        action = create_action(cloud.store, "image", "image_destroy", image.id, image.regions[0])
    cloud.worker.start(action)


def register_handlers(cloud: Cloud) -> None:
    """Tell the worker how images are removed."""

    async def remove(action: Action) -> Commit:
        await cloud.machines.delete_image(str(action.resource_id))
        return lambda: _forget(cloud, action.resource_id)

    def stay(action: Action) -> None:
        """A disk that could not be removed is left; no client sees its image again."""

    cloud.worker.register("image", "image_destroy", Handler(remove, stay))


def _forget(cloud: Cloud, id: int) -> None:
    image = cloud.store.get(Image, id)
    if image:
        cloud.store.delete(image)
