"""The tags of an image: what it contains, and which stacks use it."""

import secrets

from infra.image.api import Image, ImageApi
from infra.names import CLAIM_PREFIX, claim_tag, is_claim_tag

FAMILY_TAG = "base-image"
CONTENT_PREFIX = "content-"


def content_tag(content: str) -> str:
    return f"{CONTENT_PREFIX}{content}"


def is_content_tag(tag: str) -> bool:
    """Whether a tag marks a complete image."""
    return tag.startswith(CONTENT_PREFIX)


def renew_claim(api: ImageApi, image: Image, owner: str) -> str:
    """Tag the image as used by this stack, and return the tag.

    Each resource has its own claim. If a replacement finds the same image, its claim replaces the
    old one. So the deletion of the old resource, which follows, does not delete the image.
    """
    claim = claim_tag(owner, secrets.token_hex(4))
    api.tag(image.id, claim)
    for tag in image.tags:
        if tag.startswith(claim_tag(owner)):
            api.delete_tag(tag)
    return claim


def release(api: ImageApi, image: Image, *claims: str) -> str:
    """Delete the claims, and the image if no other is left.

    Returns:
        The other stacks that use the image; empty if it was deleted.
    """
    for claim in claims:
        api.delete_tag(claim)
    users = [
        tag.removeprefix(CLAIM_PREFIX).partition(":")[0]
        for tag in image.tags
        if is_claim_tag(tag) and tag not in claims
    ]
    if users:
        return ", ".join(users)
    api.delete(image.id)
    left = {tag for other in api.images() for tag in other.tags if other.id != image.id}
    for tag in image.tags:
        if tag not in left and (tag == FAMILY_TAG or is_content_tag(tag)):
            api.delete_tag(tag)
    return ""
