"""Deletes orphans from the account."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import groupby
from threading import Event

from deploy.errors import DeployError
from deploy.orphans.kinds import BUCKET, KINDS, CloudResource
from deploy.orphans.spaces import Spaces
from infra.digitalocean_api import ApiError, DigitalOceanApi
from infra.image.api import ImageApi
from infra.image.claims import release
from infra.names import claim_tag

DELETION_TIMEOUT_S = 300.0
POLL_INTERVAL_S = 0.5
MAX_CONCURRENT_DELETIONS = 6
REFUSALS_FOR_NOW = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
"""HTTP statuses with which the API refuses to delete what is being created or is in use."""


class RemovalError(DeployError):
    """A resource was not deleted."""


def remove(
    orphans: Iterable[CloudResource],
    api: DigitalOceanApi,
    spaces: Spaces,
    prefix: str,
    report: Callable[[CloudResource], None],
) -> None:
    """Delete ``orphans``: machines before their network, and tags and VPCs at last.

    Args:
        prefix: of the stack, whose claims on images are given up.
        report: is called with each one that is deleted.

    Raises:
        RemovalError: some were not deleted; all others were.
    """
    failures: list[str] = []
    is_stopped = Event()

    def remove_one(orphan: CloudResource) -> None:
        if is_stopped.is_set():
            return
        try:
            if orphan.kind == BUCKET:
                spaces.delete(orphan)
            elif orphan.kind == "image":
                _release_image(api, orphan, prefix)
            else:
                if orphan.kind == "project":
                    _empty_project(api, orphan)
                _delete(api, orphan, is_stopped)
        except (DeployError, ApiError) as error:
            failures.append(str(error))
        else:
            report(orphan)

    by_kind = groupby(sorted(orphans, key=_position), key=_position)
    pool = ThreadPoolExecutor(MAX_CONCURRENT_DELETIONS)
    try:
        for _, group in by_kind:
            list(pool.map(remove_one, group))
    finally:
        # After Ctrl-C, no deletion starts any more.
        is_stopped.set()
        pool.shutdown(cancel_futures=True)
    if failures:
        raise RemovalError("; ".join(failures))


def _position(orphan: CloudResource) -> int:
    return [BUCKET, *KINDS].index(orphan.kind)


def _delete(api: DigitalOceanApi, orphan: CloudResource, is_stopped: Event) -> None:
    """Delete a resource and wait until the account does not have it any more, or ``is_stopped``.

    What is still being created or in use refuses the request, so it is repeated.
    """
    path, deadline = KINDS[orphan.kind].url(orphan.id), time.monotonic() + DELETION_TIMEOUT_S
    is_accepted, reason = False, ""
    while api.find(path) is not None:
        if time.monotonic() > deadline:
            raise RemovalError(
                f"{orphan} was not deleted within {DELETION_TIMEOUT_S:.0f} s; "
                f"delete it on DigitalOcean's site{reason}"
            )
        if not is_accepted:
            try:
                api.delete(path)
                is_accepted = True
            except ApiError as error:
                if error.status not in REFUSALS_FOR_NOW:
                    raise
                reason = f" ({error})"
        if is_stopped.wait(POLL_INTERVAL_S):
            raise RemovalError(f"{orphan} may still exist: its deletion was interrupted")


def _release_image(api: DigitalOceanApi, orphan: CloudResource, prefix: str) -> None:
    """Give up the stack's claims on an image, and delete it if no other stack uses it."""
    images = ImageApi(api)
    image = images.get(int(orphan.id))
    if image is not None:
        release(images, image, *(tag for tag in image.tags if tag.startswith(claim_tag(prefix))))


def _empty_project(api: DigitalOceanApi, project: CloudResource) -> None:
    """Move the resources of a project to the default one; otherwise it cannot be deleted."""
    path = f"/v2/projects/{project.id}/resources"
    urns = [resource["urn"] for resource in api.list_all(path, "resources")]
    if urns:
        api.post("/v2/projects/default/resources", {"resources": urns})
