"""The proof of ``destroy``: what the account still has of a stack."""

from collections.abc import Callable

from deploy.orphans.kinds import CloudResource
from deploy.orphans.search import (
    find_buckets,
    find_existing_buckets,
    find_own,
    find_vpcs,
    identities,
    list_account,
)
from deploy.orphans.spaces import Spaces
from deploy.stack import State
from infra.digitalocean_api import DigitalOceanApi
from infra.names import BASE_IMAGE_NAME


def find_left(
    api: DigitalOceanApi,
    spaces: Spaces,
    prefix: str,
    region: str,
    former: State,
    report: Callable[[str], None],
) -> list[CloudResource]:
    """Return what the account has of a stack: by id, by tag, by name and by VPC.

    Args:
        region: where the stack has its bucket.
        former: the state before the destroy. An image is left only if the stack still claims it,
            because other stacks may use it.
        report: is called with the reason for each bucket that cannot be searched.

    Raises:
        ApiError: the account cannot be searched.
    """
    account = list_account(api)
    ids = identities(former.resources)
    vpcs = find_vpcs(account, prefix, former)
    own = find_own(account, prefix, former)
    by_id = {
        (resource.kind, resource.id)
        for resource in account
        if resource.kind != "image" and (resource.kind, resource.id) in ids
    }
    left = [
        resource
        for resource in account
        if resource in own or resource.vpc in vpcs or (resource.kind, resource.id) in by_id
    ]
    left += find_existing_buckets(spaces, former, report)
    left += find_buckets(api, spaces, prefix, region, former, report)
    return sorted(left, key=lambda resource: (resource.kind, resource.name))


def base_images(api: DigitalOceanApi) -> list[CloudResource]:
    """Return the base images of all stacks, by name."""
    images = [
        resource
        for resource in list_account(api)
        if resource.kind == "image" and BASE_IMAGE_NAME.fullmatch(resource.name)
    ]
    return sorted(images, key=lambda image: image.name)
