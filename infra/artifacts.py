"""The packed services in a bucket, each named by its content, for the workers to fetch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pulumi
import pulumi_digitalocean as digitalocean


class Package(Protocol):
    """A packed service, as ``services.pack`` makes it; handed in, because this package imports nothing of the services."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class Artifact:
    """Where a Nomad job finds a packed service, and how it knows that it got the right one."""

    url: pulumi.Output[str]
    checksum: str
    """As Nomad writes it: ``sha256:`` and the hash."""


@dataclass(frozen=True, kw_only=True)
class ArtifactsArgs:
    """What is kept where."""

    region: str
    bucket: str
    endpoint: str
    """URL of Spaces in this region; the bucket's own outputs name the real cloud, whatever the endpoint."""
    packages: Sequence[Package]


class Artifacts(pulumi.ComponentResource):
    """A bucket with one public object a service, its key the hash of its content.

    A former object stays until the bucket goes: Nomad may go back to the job that names it.
    """

    artifacts: dict[str, Artifact]

    def __init__(
        self, name: str, args: ArtifactsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Artifacts", name, None, opts)
        bucket = digitalocean.SpacesBucket(
            f"{name}-bucket",
            name=args.bucket,
            region=args.region,
            acl="private",
            force_destroy=True,
            opts=pulumi.ResourceOptions(
                parent=self, replace_on_changes=["name"], delete_before_replace=True
            ),
        )
        self.artifacts = {}
        for package in args.packages:
            key = f"{package.name}/{package.sha256}.pyz"
            stored = digitalocean.SpacesBucketObject(
                f"{name}-{package.name}",
                bucket=bucket.name,
                region=args.region,
                key=key,
                acl="public-read",
                content_type="application/zip",
                source=str(package.path),
                # The key tells the content; where it was packed differs between machines and tells nothing.
                opts=pulumi.ResourceOptions(
                    parent=self, ignore_changes=["source"], retain_on_delete=True
                ),
            )
            # Through the object's own key, so that a job waits for the upload.
            url = pulumi.Output.concat(args.endpoint, "/", stored.bucket, "/", stored.key)
            self.artifacts[package.name] = Artifact(url, f"sha256:{package.sha256}")
        self.register_outputs(
            {"urls": {service: artifact.url for service, artifact in self.artifacts.items()}}
        )
