"""Access rules of Spaces: what a key may do in its account's buckets, and what is public."""

from typing import Protocol

from rehearsal.spaces.operation import S3Operation
from rehearsal.state.spaces_key_file import Key

SUBRESOURCES = {"acl", "attributes", "tagging", "uploadId"}
"""Query parameters by which a GET of an object returns something other than its content."""

LIST_PARAMETERS = {
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-uploads",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versions",
    "x-id",
}
"""Query parameters of a GET that lists a bucket."""

BUCKET_READ_PARAMETERS = LIST_PARAMETERS | {"location", "uploads"}


class BucketInfo(Protocol):
    """What the rules need to know about buckets."""

    def owner_of(self, bucket: str) -> str | None: ...

    def is_public(self, bucket: str, key: str, version: str | None) -> bool: ...


def is_public_read(operation: S3Operation, buckets: BucketInfo) -> bool:
    """Whether the operation reads a public object or lists a public bucket."""
    parameters = {
        name
        for name in operation.parameters
        if not name.lower().startswith(("x-amz-", "response-"))
    }
    if operation.key:
        reads_content = not parameters & SUBRESOURCES
    else:
        reads_content = parameters <= LIST_PARAMETERS and operation.method == "GET"
    return (
        operation.is_read
        and bool(operation.bucket)
        and reads_content
        and buckets.is_public(
            operation.bucket, operation.key, operation.parameters.get("versionId")
        )
    )


def is_allowed(operation: S3Operation, key: Key, buckets: BucketInfo) -> bool:
    """Whether the key's grants permit the operation.

    A key with full access may also address buckets that do not exist; other keys may not.
    """
    if key.has_full_access:
        return not operation.bucket or buckets.owner_of(operation.bucket) in (key.account, None)
    if not operation.bucket or buckets.owner_of(operation.bucket) != key.account:
        return False
    parameters = {name for name in operation.parameters if not name.lower().startswith("x-amz-")}
    if operation.key:
        if operation.is_read and "acl" not in parameters:
            return key.can_read(operation.bucket)
        return key.can_write(operation.bucket)
    if operation.method == "POST":
        is_bulk_delete = parameters <= {"delete", "x-id"} and "delete" in parameters
        return is_bulk_delete and key.can_write(operation.bucket)
    return (
        operation.is_read
        and parameters <= BUCKET_READ_PARAMETERS
        and key.can_read(operation.bucket)
    )
