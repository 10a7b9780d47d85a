"""The dynamic provider of the base image: finds, transfers or builds it.

An image is deleted when no stack uses it any more. The state contains this module's path. The
provider holds no secret: the API token comes from the stack's configuration or the environment.
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
from infra.image.claims import FAMILY_TAG, content_tag, release, renew_claim
from infra.names import BUILD_PREFIX, build_name, image_name, is_build_of, is_claim_tag

IMAGES = Path(__file__).parents[2] / "images"
"""Contains a folder with a Packer template for each image family."""
ENGINE_CHECK_INTERVAL_S = 2.0


def report(line: str) -> None:
    """Print a line of progress. The engine shows the standard error of a provider."""
    print(line, file=sys.stderr, flush=True)


def exit_with_engine() -> None:
    """End this process soon after the engine ends, so that a running build is interrupted."""
    address = re.fullmatch(r"([\d.]+):(\d+)", sys.argv[-1])
    if address is None:
        return

    def exit_when_closed(host: str, port: int) -> None:
        while True:
            try:
                socket.create_connection((host, port), timeout=ENGINE_CHECK_INTERVAL_S).close()
            except OSError:
                os._exit(1)
            time.sleep(ENGINE_CHECK_INTERVAL_S)

    threading.Thread(
        target=exit_when_closed, args=(address[1], int(address[2])), daemon=True
    ).start()


def next_name(family: str, day: str, existing: list[str]) -> str:
    """Return the image name with the next free number of the day: ``base.2026.01.31.2``."""
    numbers = [
        int(match[1])
        for name in existing
        if (match := re.fullmatch(rf"{re.escape(family)}\.{re.escape(day)}\.(\d+)", name))
    ]
    return image_name(family, day, max(numbers, default=0) + 1)


def ensure_unique_name(api: ImageApi, image: Image, family: str) -> Image:
    """Rename a complete image to a name that no other image has.

    Two stacks may choose the same name at the same time, and the API allows it. So this reads the
    names again after each change.
    """
    while True:
        others = [other.name for other in api.images() if other.id != image.id]
        if not image.name.startswith(BUILD_PREFIX) and image.name not in others:
            return image
        image = api.rename(image, next_name(family, datetime.now(UTC).strftime("%Y.%m.%d"), others))


def ensure_region(api: ImageApi, image: Image, region: str) -> None:
    """Transfer the image to ``region``, unless it is available there."""
    if region not in image.regions:
        report(f"image {image.name} is being transferred to {region}")
        api.transfer(image, region)


class VersionError(Exception):
    """A version is lower than that of the running cluster; the message names the setting."""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


class ImageProvider(ResourceProvider):
    """Its inputs come from ``BaseImage``. Its outputs add image_id, image_name and claim."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config
        exit_with_engine()

    def _api(self) -> ImageApi:
        return ImageApi(connect(lambda key: self._config.get(f"digitalocean:{key}")))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Refuse a lower version, here because the image is compared before any other resource.

        Raises:
            VersionError: an older program could not read the data of the servers.
        """
        for setting in ("consul_version", "nomad_version"):
            old, new = (props["variables"].get(setting) for props in (_olds, _news))
            if old and new and _version(new) < _version(old):
                raise VersionError(
                    f"slipway:{setting} is {new}, and the cluster runs {old}: a lower version "
                    f"cannot read its data. Set {old} or higher, or destroy the stack first"
                )
        changed = [key for key in ("content", "region") if _olds[key] != _news[key]]
        return DiffResult(
            changes=bool(changed),
            replaces=["content"] if "content" in changed else [],
            delete_before_replace=False,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Find or build the image, and claim it.

        Stacks that build the same content at the same time each keep their own image. A third stack
        may already have found either.
        """
        api = self._api()
        image = api.find(content_tag(props["content"])) or self._build(api, props)
        if image.name.startswith(BUILD_PREFIX):
            image = ensure_unique_name(api, image, props["name"])
            report(f"image {image.name} is complete")
        ensure_region(api, image, props["region"])
        claim = renew_claim(api, image, props["owner"])
        return CreateResult(
            str(image.id),
            {**props, "image_id": str(image.id), "image_name": image.name, "claim": claim},
        )

    def _build(self, api: ImageApi, props: dict[str, Any]) -> Image:
        """Delete what earlier builds of this stack left, and build the image.

        That includes complete images that no stack claimed.
        """
        owner = props["owner"]
        tags = [FAMILY_TAG, content_tag(props["content"])]
        for leftover in api.remove_builds(
            lambda name: is_build_of(owner, name), lambda image: any(map(is_claim_tag, image.tags))
        ):
            report(f"deleted {leftover} of an earlier build")
        if problem := droplet_limit_problem(api.api):
            raise BuildError(problem)
        inputs = Build(
            name=build_name(owner, secrets.token_hex(4)),
            template=str(IMAGES / props["name"]),
            region=props["region"],
            variables=props["variables"],
            tags=tags,
        )
        built = api.get(build(inputs, api.api.url, api.api.token, report))
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
                f"image {_olds['image_name']} is gone from the account; "
                "run `pulumi refresh` and `pulumi up` to build it again"
            )
        ensure_region(api, image, _news["region"])
        return UpdateResult(
            {**_news, "image_id": _id, "image_name": image.name, "claim": _olds["claim"]}
        )

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        api = self._api()
        image = api.get(int(_id))
        if image is not None and (users := release(api, image, _props["claim"])):
            report(f"image {image.name} is kept, because these stacks use it: {users}")
