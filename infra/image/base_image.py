"""The base image of all droplets. A change of its content builds a new image with Packer."""

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
from infra.image.claims import content_tag
from infra.image.provider import IMAGES, ImageProvider
from infra.names import IMAGE_FAMILY
from infra.settings import Settings

RELEASES_URL = "https://releases.hashicorp.com"


@dataclass(frozen=True, kw_only=True)
class BaseImageArgs:
    """Arguments of ``BaseImage``."""

    region: str
    consul_version: str
    nomad_version: str
    name: str = IMAGE_FAMILY
    size: str = "s-1vcpu-1gb"
    """Size of the droplet on which the image is built."""
    releases_url: str | None = None
    """Where Consul and Nomad are downloaded; by default SLIPWAY_RELEASES_URL, then HashiCorp."""
    releases_key: str | None = None
    """File of the key that signs the releases; default: SLIPWAY_RELEASES_KEY, then HashiCorp's."""
    owner: str | None = None
    """The stack in the image's claims; by default project and stack."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            region=settings.region,
            consul_version=settings.consul_version,
            nomad_version=settings.nomad_version,
        )

    def variables(self) -> dict[str, str]:
        """Return the variables of the Packer template."""
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


def image_tag(settings: Settings) -> str:
    """Return the tag of the base image that a stack with these settings uses."""
    args = BaseImageArgs.from_settings(settings)
    return content_tag(content_hash(IMAGES / args.name, args.variables()))


def content_hash(template: Path, variables: dict[str, str]) -> str:
    """Return 16 hex digits, which change when the image's content changes.

    The hash includes name, mode and content of every file of the template, and the content of the
    releases key. It excludes the releases URL, because the downloads are verified.
    """
    digest = hashlib.sha256()
    for file in sorted(
        path for path in template.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ):
        path, status = file.relative_to(template), file.stat()
        is_executable = bool(status.st_mode & 0o100)
        digest.update(f"{path}\0{is_executable}\0{status.st_size}\0".encode())
        digest.update(file.read_bytes())
    for name in ("consul_version", "nomad_version", "size"):
        digest.update(f"{name}={variables[name]}\0".encode())
    if variables["releases_key_file"]:
        digest.update(Path(variables["releases_key_file"]).read_bytes())
    return digest.hexdigest()[:16]


def owner_label(text: str) -> str:
    """Return ``text`` with a dash for each character that tags do not allow."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)


class Snapshot(dynamic.Resource, module="slipway", name="Snapshot"):
    """The image in the account, managed by ``ImageProvider``."""

    image_id: pulumi.Output[str]
    image_name: pulumi.Output[str]


class BaseImage(pulumi.ComponentResource):
    """The image of all droplets. A preview builds nothing, but reports what an update would do."""

    image_id: pulumi.Output[str]
    name: pulumi.Output[str]
    """Name in the account: ``base.2026.01.31.1``."""

    def __init__(
        self, name: str, args: BaseImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:BaseImage", name, None, opts)
        template, variables = IMAGES / args.name, args.variables()
        content = content_hash(template, variables)
        if pulumi.runtime.is_dry_run():
            pulumi.log.info(f"image {args.name}: {forecast(content, args.region)}", self)
        snapshot = Snapshot(
            ImageProvider(),
            f"{name}-snapshot",
            {
                "name": args.name,
                "content": content,
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


def forecast(content: str, region: str) -> str:
    """Return what an update would do, in words."""
    config = pulumi.Config("digitalocean")
    try:
        image = ImageApi(connect(config.get)).find(content_tag(content))
    except ApiError as error:
        return f"unknown, because a request failed: {error}"
    if image is None:
        return f"would be built, with the tag {content_tag(content)}"
    return (
        f"exists as {image.name}"
        if region in image.regions
        else f"exists as {image.name}, would be transferred to {region}"
    )
