"""The base image as a resource: found in the account, transferred, or built; kept while another stack uses it.

It compares declared inputs only and holds no secret: the token comes from the stack's settings or the environment of
the process that runs it.
"""

import os
import re
import secrets
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from infra.account import droplet_limit_problem
from infra.digitalocean_api import ApiError, connect
from infra.image.api import Image, ImageApi
from infra.image.build import Build, BuildError, build
from infra.names import image_name

IMAGES = Path(__file__).parents[2] / "images"
"""A folder each, named as its images are."""
FAMILY_TAG = "base-image"
BUILD_PREFIX = "image-build"
CLAIM_PREFIX = "used-by-"
ENGINE_SECONDS = 2


def say(line: str) -> None:
    """The engine shows a provider's standard error as progress."""
    print(line, file=sys.stderr, flush=True)


def exit_with_engine() -> None:
    """End this process soon after the engine that asked for it, so that a build under way notices and cleans up."""
    address = re.fullmatch(r"([\d.]+):(\d+)", sys.argv[-1])
    if address is None:
        return

    def watch(host: str, port: int) -> None:
        while True:
            try:
                socket.create_connection((host, port), timeout=ENGINE_SECONDS).close()
            except OSError:
                os._exit(1)
            time.sleep(ENGINE_SECONDS)

    threading.Thread(target=watch, args=(address[1], int(address[2])), daemon=True).start()


def content_tag(content: str) -> str:
    return f"content-{content}"


def is_content(tag: str) -> bool:
    """Whether it is the tag that a complete image bears."""
    return tag.startswith("content-")


def is_claim(tag: str) -> bool:
    """Whether it says that a stack uses the image."""
    return tag.startswith(CLAIM_PREFIX)


def build_name(owner: str) -> str:
    """A name under which all that a build makes can be told from everything else, and from other stacks' builds."""
    return f"{BUILD_PREFIX}-{owner}-{secrets.token_hex(4)}"


def is_build_of(owner: str, name: str) -> bool:
    return re.fullmatch(rf"{BUILD_PREFIX}-{re.escape(owner)}-[0-9a-f]{{8}}", name) is not None


def next_name(name: str, day: str, taken: list[str]) -> str:
    """``base.2026.01.31.2``: family, day, and the next free number of that day."""
    numbers = [
        int(found[1])
        for other in taken
        if (found := re.fullmatch(rf"{re.escape(name)}\.{re.escape(day)}\.(\d+)", other))
    ]
    return image_name(name, day, max(numbers, default=0) + 1)


def named(api: ImageApi, image: Image, family: str) -> Image:
    """Give a complete image its name, one that no other has.

    Two stacks that name theirs at once may choose the same, which the API allows; who looks afterwards and sees it
    chooses again.
    """
    while True:
        others = [other.name for other in api.images() if other.id != image.id]
        if not image.name.startswith(BUILD_PREFIX) and image.name not in others:
            return image
        image = api.rename(image, next_name(family, datetime.now(UTC).strftime("%Y.%m.%d"), others))


def renew_claim(api: ImageApi, image: Image, owner: str) -> str:
    """Say that this stack uses the image, by a tag of its own; returns the tag.

    Each resource has a claim of its own. A replacement that finds the same image takes the claim over, so that the
    resource it replaces, deleted afterwards, no longer holds one and leaves the image alone.
    """
    claim = f"{CLAIM_PREFIX}{owner}:{secrets.token_hex(4)}"
    api.tag(image.id, claim)
    for tag in image.tags:
        if tag.startswith(f"{CLAIM_PREFIX}{owner}:"):
            api.delete_tag(tag)
    return claim


def ensure_region(api: ImageApi, image: Image, region: str) -> None:
    """Transfer the image if ``region`` lacks it."""
    if region not in image.regions:
        say(f"image {image.name} is transferred to {region}")
        api.transfer(image, region)


def release(api: ImageApi, image: Image, claim: str) -> None:
    """Give up the claim, and delete the image if that was the last."""
    api.delete_tag(claim)
    users = [tag.removeprefix(CLAIM_PREFIX) for tag in image.tags if is_claim(tag) and tag != claim]
    if users:
        say(
            f"image {image.name} is kept: {', '.join(user.partition(':')[0] for user in users)} uses it"
        )
        return
    api.delete(image.id)
    left = {tag for other in api.images() for tag in other.tags if other.id != image.id}
    for tag in image.tags:
        if tag not in left and (tag == FAMILY_TAG or is_content(tag)):
            api.delete_tag(tag)


class ImageProvider(ResourceProvider):
    """Inputs are those of ``infra.image.base_image``; outputs besides: image_id, image_name, claim."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config
        exit_with_engine()

    def _api(self) -> ImageApi:
        return ImageApi(connect(lambda key: self._config.get(f"digitalocean:{key}")))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = [key for key in ("content", "region") if _olds[key] != _news[key]]
        return DiffResult(
            changes=bool(changed),
            replaces=["content"] if "content" in changed else [],
            delete_before_replace=False,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Find the image or build it, and claim it.

        Stacks that build the same at once each claim their own: one deleted in favour of the other might just be
        found by a third.
        """
        api = self._api()
        image = api.find(content_tag(props["content"])) or self._build(api, props)
        if image.name.startswith(BUILD_PREFIX):
            image = named(api, image, props["name"])
            say(f"image {image.name} is complete")
        ensure_region(api, image, props["region"])
        claim = renew_claim(api, image, props["owner"])
        return CreateResult(
            str(image.id),
            {**props, "image_id": str(image.id), "image_name": image.name, "claim": claim},
        )

    def _build(self, api: ImageApi, props: dict[str, Any]) -> Image:
        """An earlier build's image of another content, complete but never claimed, is of no use to anybody."""
        owner = props["owner"]
        tags = [FAMILY_TAG, content_tag(props["content"])]
        for leftover in api.remove_builds(
            lambda name: is_build_of(owner, name), lambda image: any(map(is_claim, image.tags))
        ):
            say(f"removed what an earlier build left: {leftover}")
        if full := droplet_limit_problem(api.api):
            raise BuildError(full)
        what = Build(
            name=build_name(owner),
            template=str(IMAGES / props["name"]),
            region=props["region"],
            variables=props["variables"],
            tags=tags,
        )
        built = api.get(build(what, api.api.url, api.api.token, say))
        if built is None:
            raise ApiError("the image that was just built is no longer in the account")
        return built

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        image = self._api().get(int(id_))
        if image is None:
            return ReadResult(None, {})
        return ReadResult(id_, {**props, "image_name": image.name})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        api = self._api()
        image = api.get(int(_id))
        if image is None:
            raise ApiError(
                f"image {_olds['image_name']} is gone from the account; `pulumi refresh` and then `pulumi up` make it again"
            )
        ensure_region(api, image, _news["region"])
        return UpdateResult(
            {**_news, "image_id": _id, "image_name": image.name, "claim": _olds["claim"]}
        )

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        api = self._api()
        image = api.get(int(_id))
        if image is not None:
            release(api, image, _props["claim"])
