"""Finds in the account what belongs to a stack, by the API and not by Pulumi's state."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from deploy.orphans.kinds import (
    BUCKET,
    BUCKET_TYPE,
    IMAGE_TYPE,
    KINDS,
    CloudResource,
    Kind,
    bucket,
    from_response,
)
from deploy.orphans.spaces import Spaces, SpacesError
from deploy.stack import State
from infra import names
from infra.digitalocean_api import ApiError, DigitalOceanApi

MAX_CONCURRENT_REQUESTS = 6
KIND_OF_TYPE: Mapping[str, str] = {
    **{kind.type: kind.name for kind in KINDS.values()},
    BUCKET_TYPE: BUCKET,
    IMAGE_TYPE: "image",
}
Identity = tuple[str, str]
"""Kind and id."""


def list_account(api: DigitalOceanApi) -> list[CloudResource]:
    """Return everything in the account except buckets.

    Kinds that the program never makes are left out if the token is not for them.

    Raises:
        ApiError: the account cannot be read.
    """

    def list_kind(kind: Kind) -> list[CloudResource]:
        try:
            bodies = api.list_all(f"/v2/{kind.path}", kind.key, **dict(kind.query))
        except ApiError as error:
            # A cloud may not offer a kind, such as volumes, and a token may not be for domains.
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_IMPLEMENTED) or (
                error.status == HTTPStatus.FORBIDDEN and not kind.is_made
            ):
                return []
            raise
        return [from_response(kind, body) for body in bodies]

    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        return [resource for found in pool.map(list_kind, KINDS.values()) for resource in found]


def find_own(account: Iterable[CloudResource], prefix: str, state: State) -> list[CloudResource]:
    """Return what bears the tags or the names of a stack, or is a machine in its VPC."""
    account = list(account)
    vpcs = find_vpcs(account, prefix, state)
    return [resource for resource in account if _is_own(resource, prefix, vpcs)]


def find_vpcs(account: Iterable[CloudResource], prefix: str, state: State) -> set[str]:
    """Return the ids of the VPCs of a stack: those in its state, and those of its name."""
    named = {
        resource.id for resource in account if resource.kind == "VPC" and is_named(resource, prefix)
    }
    return named | {id for kind, id in identities(state.resources) if kind == "VPC"}


def _is_own(resource: CloudResource, prefix: str, vpcs: set[str]) -> bool:
    if resource.kind == "image":
        claims = [tag for tag in resource.tags if names.is_claim_tag(tag)]
        is_claimed = any(tag.startswith(names.claim_tag(prefix)) for tag in claims)
        return is_claimed or (not claims and names.is_build_of(prefix, resource.name))
    # The tags of a firewall or a load balancer may be those of the droplets that it selects.
    is_tagged = resource.kind not in ("firewall", "load balancer") and bool(
        resource.tags & {*names.role_tags(prefix)}
    )
    is_machine = resource.vpc in vpcs and names.is_droplet_name(resource.name)
    return is_tagged or is_machine or is_named(resource, prefix)


def is_named(resource: CloudResource, prefix: str) -> bool:
    """Whether a resource has a name that this stack gives to its kind."""
    pattern = names.own_names(prefix).get(resource.kind)
    if pattern and pattern.fullmatch(resource.name):
        return True
    return resource.kind in ("droplet", "SSH key") and names.is_build_of(prefix, resource.name)


def identities(resources: Iterable[Mapping[str, Any]]) -> set[Identity]:
    """Return kind and id of the resources of a state that exist in the account."""
    return {
        (KIND_OF_TYPE[resource["type"]], str(resource["id"]))
        for resource in resources
        if resource["type"] in KIND_OF_TYPE and resource.get("id")
    }


def pending_names(state: State) -> set[tuple[str, str]]:
    """Return kind and name of each resource whose creation has started and has no result."""
    return {
        (KIND_OF_TYPE[resource["type"]], str((resource.get("inputs") or {}).get("name", "")))
        for resource in state.pending_creates
        if resource["type"] in KIND_OF_TYPE
    }


def is_certain(
    orphan: CloudResource, state: State, account: Iterable[CloudResource], prefix: str
) -> bool:
    """Whether the state shows that this stack made a resource, and no other one of its name.

    The same stack in another backend may have its resources in the same account. It has a VPC
    there, so a state that has every VPC of the stack's names is the state of all of them.
    """
    pending, is_build = pending_names(state), names.is_build_of(prefix, orphan.name)
    vpcs = [resource for resource in account if resource.kind == "VPC"]
    in_state = {vpc.id for vpc in vpcs} & {
        id for kind, id in identities(state.resources) if kind == "VPC"
    }
    in_state_or_pending = in_state | {vpc.id for vpc in vpcs if (vpc.kind, vpc.name) in pending}
    # An image is built outside the stack's VPC.
    if orphan.vpc and orphan.vpc not in in_state_or_pending and not is_build:
        return False
    if in_state and all(vpc.id in in_state_or_pending for vpc in vpcs if is_named(vpc, prefix)):
        return True
    builds_image = any(resource["type"] == IMAGE_TYPE for resource in state.pending_creates)
    return (orphan.kind, orphan.name) in pending or (
        builds_image and (orphan.kind == "image" or is_build)
    )


def find_buckets(
    api: DigitalOceanApi,
    spaces: Spaces,
    prefix: str,
    region: str,
    state: State,
    report: Callable[[str], None],
) -> list[CloudResource]:
    """Return the stack's buckets of artifacts and of backups that exist and are not in the state.

    A bucket that the settings name is never returned unless its creation is pending: it may hold
    what others stored. Without a Spaces key, only a pending bucket is searched.

    Args:
        report: is called with the reason for each bucket that cannot be searched.
    """
    wanted = {
        str(inputs["name"]): str(inputs.get("region", region))
        for resource in state.pending_creates
        if resource["type"] == BUCKET_TYPE and "name" in (inputs := resource.get("inputs") or {})
    }
    if spaces.has_key:
        account = str(api.get("/v2/account")["account"]["uuid"])
        for name in (names.bucket_name, names.backup_bucket_name):
            wanted[name(prefix, region, account)] = region
    in_state = identities(state.resources)
    buckets = [
        bucket(name, bucket_region)
        for name, bucket_region in wanted.items()
        if (BUCKET, name) not in in_state
    ]
    return _existing(buckets, spaces, report)


def has_bucket(state: State) -> bool:
    """Whether the state has a bucket, or one whose creation has no result."""
    resources = (*state.resources, *state.pending_creates)
    return any(resource["type"] == BUCKET_TYPE for resource in resources)


def find_existing_buckets(
    spaces: Spaces, state: State, report: Callable[[str], None]
) -> list[CloudResource]:
    """Return the buckets of a state that Spaces still has; ``report`` is as in ``find_buckets``."""
    buckets = [
        bucket(str(resource["id"]), str(resource.get("outputs", {}).get("region", "nyc3")))
        for resource in state.resources
        if resource["type"] == BUCKET_TYPE
    ]
    return _existing(buckets, spaces, report)


def _existing(
    buckets: Iterable[CloudResource], spaces: Spaces, report: Callable[[str], None]
) -> list[CloudResource]:
    existing = []
    for wanted in buckets:
        try:
            if spaces.has(wanted):
                existing.append(wanted)
        except SpacesError as error:
            report(str(error))
    return existing
