"""Who may do what in Spaces: a key what its grants say in its own account's buckets, anyone what is public."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from rehearsal.state.spaces_key_file import Key

NOT_THE_OBJECT = {"acl", "attributes", "tagging", "uploadId"}
"""Parameters by which a GET of an object asks for something else than its content."""

LISTING = {
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
"""Parameters of a GET that lists a bucket."""

READ_OF_A_BUCKET = LISTING | {"location", "uploads"}


class BucketInfo(Protocol):
    """What is to be known of the buckets."""

    def owner(self, bucket: str) -> str | None: ...

    def is_public(self, bucket: str, key: str, version: str | None) -> bool: ...


@dataclass(frozen=True)
class S3Operation:
    """A request, as far as it matters here. ``key`` is empty where it is about the bucket, ``bucket`` where it is about all."""

    method: str
    bucket: str
    key: str
    parameters: dict[str, str]

    @property
    def address(self) -> str:
        """Bucket and key as x-amz-copy-source names them."""
        version = self.parameters.get("versionId")
        return f"/{self.bucket}/{quote(self.key, safe='')}" + (
            f"?versionId={quote(version, safe='')}" if version else ""
        )

    @property
    def creates(self) -> bool:
        """Whether it is the creation of a bucket."""
        return (
            self.method == "PUT"
            and bool(self.bucket)
            and not self.key
            and not self.parameters.keys() - {"x-id"}
        )

    @property
    def _reads(self) -> bool:
        return self.method in ("GET", "HEAD")

    def allowed_to_all(self, buckets: BucketInfo) -> bool:
        """Whether it reads an object, or lists a bucket, that is public."""
        own = {
            name for name in self.parameters if not name.lower().startswith(("x-amz-", "response-"))
        }
        within = not own & NOT_THE_OBJECT if self.key else own <= LISTING and self.method == "GET"
        return (
            self._reads
            and bool(self.bucket)
            and within
            and buckets.is_public(self.bucket, self.key, self.parameters.get("versionId"))
        )

    def allowed_to(self, key: Key, buckets: BucketInfo) -> bool:
        """Whether the key may do it; what is not there yet is nobody's, and so for keys with full access."""
        if key.has_full_access:
            return not self.bucket or buckets.owner(self.bucket) in (key.account, None)
        if not self.bucket or buckets.owner(self.bucket) != key.account:
            return False
        own = {name for name in self.parameters if not name.lower().startswith("x-amz-")}
        if self.key:
            return (
                key.can_read(self.bucket)
                if self._reads and "acl" not in own
                else key.can_write(self.bucket)
            )
        if self.method == "POST":
            return own <= {"delete", "x-id"} and "delete" in own and key.can_write(self.bucket)
        return self._reads and own <= READ_OF_A_BUCKET and key.can_read(self.bucket)
