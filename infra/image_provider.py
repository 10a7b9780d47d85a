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

from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from infra.image_api import ApiError, Image, ImageApi, connect
from infra.image_build import Build, build

IMAGES = Path(__file__).parents[1] / "images"
"""A folder each, named as its images are."""
FAMILY_TAG = "base-image"
BUILD_PREFIX = "image-build"
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


def build_name(owner: str) -> str:
    """A name under which all that a build makes can be told from everything else, and from other stacks' builds."""
    return f"{BUILD_PREFIX}-{owner}-{secrets.token_hex(4)}"


def is_build_of(owner: str, name: str) -> bool:
    return re.fullmatch(rf"{BUILD_PREFIX}-{re.escape(owner)}-[0-9a-f]{{8}}", name) is not None


def next_name(name: str, day: str, taken: list[str]) -> str:
    """``base.2026.01.31.2``: family, day, and the next free number of that day."""
    numbers = [int(found[1]) for other in taken if (found := re.fullmatch(rf"{re.escape(name)}\.{re.escape(day)}\.(\d+)", other))]
    return f"{name}.{day}.{max(numbers, default=0) + 1}"


def renew_claim(api: ImageApi, image: Image, owner: str) -> str:
    """Say that this stack uses the image, by a tag of its own; returns the tag.

    Each resource has a claim of its own. A replacement that finds the same image takes the claim over, so that the
    resource it replaces, deleted afterwards, no longer holds one and leaves the image alone.
    """
    claim = f"used-by-{owner}:{secrets.token_hex(4)}"
    api.tag(image.id, claim)
    for tag in image.tags:
        if tag.startswith(f"used-by-{owner}:"):
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
    users = [tag.removeprefix("used-by-") for tag in image.tags if tag.startswith("used-by-") and tag != claim]
    if users:
        say(f"image {image.name} is kept: {', '.join(user.partition(':')[0] for user in users)} uses it")
        return
    api.delete(image.id)
    left = {tag for other in api.images() for tag in other.tags if other.id != image.id}
    for tag in image.tags:
        if tag not in left and (tag == FAMILY_TAG or is_content(tag)):
            api.delete_tag(tag)


class ImageProvider(ResourceProvider):
    """Inputs are those of ``infra.image``; outputs besides: image_id, image_name, claim."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config
        exit_with_engine()

    def _api(self) -> ImageApi:
        return connect(lambda key: self._config.get(f"digitalocean:{key}"))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = [key for key in ("content", "region") if _olds[key] != _news[key]]
        return DiffResult(changes=bool(changed), replaces=["content"] if "content" in changed else [], delete_before_replace=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        api, tag = self._api(), content_tag(props["content"])
        image = api.find(tag)
        if image is None:
            self._build(api, props)
            image = api.find(tag)
        if image is None:
            raise ApiError(f"the image that was just built is not in the account: no private image has the tag {tag}")
        if image.name.startswith(BUILD_PREFIX):
            day = datetime.now(UTC).strftime("%Y.%m.%d")
            image = api.rename(image, next_name(props["name"], day, [other.name for other in api.images()]))
            say(f"image {image.name} is complete")
        ensure_region(api, image, props["region"])
        claim = renew_claim(api, image, props["owner"])
        return CreateResult(str(image.id), {**props, "image_id": str(image.id), "image_name": image.name, "claim": claim})

    def _build(self, api: ImageApi, props: dict[str, Any]) -> None:
        owner = props["owner"]
        tags = [FAMILY_TAG, content_tag(props["content"])]
        for leftover in api.remove_builds(lambda name: is_build_of(owner, name), lambda image: any(map(is_content, image.tags))):
            say(f"removed what an earlier build left: {leftover}")
        what = Build(
            name=build_name(owner), template=str(IMAGES / props["name"]), region=props["region"], variables=props["variables"], tags=tags
        )
        build(what, api.endpoint, api.token, say)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        image = self._api().get(int(id_))
        if image is None:
            return ReadResult(None, {})
        return ReadResult(id_, {**props, "image_name": image.name})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        api = self._api()
        image = api.get(int(_id))
        if image is None:
            raise ApiError(f"image {_olds['image_name']} is gone from the account; `pulumi refresh` and then `pulumi up` make it again")
        ensure_region(api, image, _news["region"])
        return UpdateResult({**_news, "image_id": _id, "image_name": image.name, "claim": _olds["claim"]})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        api = self._api()
        image = api.get(int(_id))
        if image is not None:
            release(api, image, _props["claim"])
