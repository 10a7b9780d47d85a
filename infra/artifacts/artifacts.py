"""The packed services in a Spaces bucket, from which the workers download them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.artifacts.public_object import ACL, CONTENT_TYPE, PublicObject
from infra.bucket import create_bucket
from infra.preflight import Context
from services.packed_service import PackedService


@dataclass(frozen=True, kw_only=True)
class ArtifactsArgs:
    """The bucket, and the packed services that it stores."""

    region: str
    bucket: str
    endpoint: str
    """URL of Spaces in this region. The bucket's own outputs always name the real cloud."""
    packed: Collection[PackedService]

    @classmethod
    def from_context(cls, context: Context, packed: Collection[PackedService]) -> Self:
        """Return the arguments of the stack in ``context``."""
        return cls(
            region=context.settings.region,
            bucket=context.bucket,
            endpoint=context.spaces_endpoint,
            packed=packed,
        )


class Artifacts(pulumi.ComponentResource):
    """A bucket with one public object for each packed service, under its content hash.

    Objects of earlier versions stay until the bucket is deleted: Nomad may revert to their jobs.
    """

    urls: dict[str, pulumi.Output[str]]
    """URLs of the objects, by source."""

    def __init__(
        self, name: str, args: ArtifactsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Artifacts", name, None, opts)
        bucket = create_bucket(f"{name}-bucket", args.bucket, args.region, self)
        self.urls = {}
        for packed in args.packed:
            stored = digitalocean.SpacesBucketObject(
                f"{name}-{packed.source}",
                bucket=bucket.name,
                region=args.region,
                key=packed.key,
                acl=ACL,
                content_type=CONTENT_TYPE,
                source=str(packed.path),
                # The local path differs between machines; the key already identifies the content.
                opts=pulumi.ResourceOptions(
                    parent=self, ignore_changes=["source"], retain_on_delete=True
                ),
            )
            public = PublicObject(
                f"{name}-{packed.source}-public",
                url=pulumi.Output.concat(args.endpoint, "/", stored.bucket, "/", stored.key),
                bucket=stored.bucket,
                region=args.region,
                key=stored.key,
                etag=packed.md5,
                source=str(packed.path),
                opts=pulumi.ResourceOptions(parent=self),
            )
            # The id is known in a preview of an update; a job that uses it waits for the upload.
            self.urls[packed.source] = public.id
        self.register_outputs({"urls": self.urls})
