"""The base image: built by Packer when what it is made of changed, and only then."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pulumi
from pulumi import dynamic

from infra.digitalocean_api import ApiError, connect
from infra.image.api import ImageApi
from infra.image.provider import IMAGES, ImageProvider, content_tag
from infra.names import IMAGE_FAMILY
from infra.settings import Settings

RELEASES_URL = "https://releases.hashicorp.com"


@dataclass(frozen=True, kw_only=True)
class BaseImageArgs:
    """What the image is made of, and where it is needed; all of it shapes the graph.

    ``releases_url`` and ``releases_key`` say where the tools' releases come from and whose key signs them; by default
    SLIPWAY_RELEASES_URL and SLIPWAY_RELEASES_KEY, and without those the vendor. ``owner`` tells this stack's use of
    the image from other stacks'; by default project and stack.
    """

    region: str
    consul_version: str
    nomad_version: str
    name: str = IMAGE_FAMILY
    size: str = "s-1vcpu-1gb"
    releases_url: str | None = None
    releases_key: str | None = None
    owner: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            region=settings.region,
            consul_version=settings.consul_version,
            nomad_version=settings.nomad_version,
        )

    def variables(self) -> dict[str, str]:
        """The template's variables, as Packer takes them."""
        key = self.releases_key or os.environ.get("SLIPWAY_RELEASES_KEY")
        return {
            "consul_version": self.consul_version,
            "nomad_version": self.nomad_version,
            "size": self.size,
            "releases_url": self.releases_url
            or os.environ.get("SLIPWAY_RELEASES_URL")
            or RELEASES_URL,
            "releases_key_file": str(Path(key).resolve()) if key else "",
        }


def content(template: Path, variables: dict[str, str]) -> str:
    """Sixteen hex digits that change when anything does that the image is made of.

    Every file of the template counts, with its name and whether it may be executed; the releases' key by what it
    says, and the releases' address not at all: what comes from there is verified.
    """
    made_of = hashlib.sha256()
    for file in sorted(
        path for path in template.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ):
        made_of.update(
            f"{file.relative_to(template)}\0{bool(file.stat().st_mode & 0o100)}\0{file.stat().st_size}\0".encode()
        )
        made_of.update(file.read_bytes())
    for name in ("consul_version", "nomad_version", "size"):
        made_of.update(f"{name}={variables[name]}\0".encode())
    if variables["releases_key_file"]:
        made_of.update(Path(variables["releases_key_file"]).read_bytes())
    return made_of.hexdigest()[:16]


def owner_label(text: str) -> str:
    """``text`` as far as tags and droplet names allow it."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)


class Snapshot(dynamic.Resource, module="infra", name="BaseImage"):
    """The image in the account."""

    image_id: pulumi.Output[str]
    image_name: pulumi.Output[str]


class BaseImage(pulumi.ComponentResource):
    """An image from which every node boots. A preview builds nothing and tells what an update would do."""

    image_id: pulumi.Output[str]
    name: pulumi.Output[str]
    """As it is called in the account: ``base.2026.01.31.1``."""

    def __init__(
        self, name: str, args: BaseImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:BaseImage", name, None, opts)
        template, variables = IMAGES / args.name, args.variables()
        made_of = content(template, variables)
        if pulumi.runtime.is_dry_run():
            pulumi.log.info(f"image {args.name}: {forecast(made_of, args.region)}", self)
        snapshot = Snapshot(
            ImageProvider(),
            f"{name}-snapshot",
            {
                "name": args.name,
                "content": made_of,
                "owner": owner_label(args.owner or f"{pulumi.get_project()}-{pulumi.get_stack()}"),
                "region": args.region,
                "variables": variables,
                "image_id": None,
                "image_name": None,
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.image_id = snapshot.image_id
        self.name = snapshot.image_name
        self.register_outputs({"image_id": self.image_id, "name": self.name})


def forecast(made_of: str, region: str) -> str:
    """What an update would do about the image, in words."""
    settings = pulumi.Config("digitalocean")
    try:
        image = ImageApi(connect(settings.get)).find(content_tag(made_of))
    except ApiError as silent:
        return f"the account does not tell whether it is there: {silent}"
    if image is None:
        return f"would be built, and bear the tag {content_tag(made_of)}"
    return (
        f"is there as {image.name}"
        if region in image.regions
        else f"is there as {image.name}, would be transferred to {region}"
    )
