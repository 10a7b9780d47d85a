"""A private bucket in Spaces, which a stack deletes with its objects."""

import pulumi
import pulumi_digitalocean as digitalocean


def create_bucket(
    name: str, bucket: str, region: str, parent: pulumi.Resource
) -> digitalocean.SpacesBucket:
    """Create a bucket as a child of ``parent``. One of another name is created first.

    Args:
        name: of the resource.
        bucket: name of the bucket.
        region: of the bucket.
        parent: the component to which it belongs.
    """
    return digitalocean.SpacesBucket(
        name,
        name=bucket,
        region=region,
        acl="private",
        force_destroy=True,
        opts=pulumi.ResourceOptions(
            parent=parent,
            replace_on_changes=["name"],
            # Set explicitly: the provider would delete first, because the name is set.
            delete_before_replace=False,
        ),
    )
