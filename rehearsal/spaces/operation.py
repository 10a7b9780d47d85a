"""S3 operations: method, bucket and key of a request, parsed and validated."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes

from rehearsal.spaces.errors import S3Error
from rehearsal.spaces.signature import Request

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")
BUCKET_NAME = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_KEY_BYTES = 1024


@dataclass(frozen=True)
class S3Operation:
    """What a request does. ``key`` is empty for a bucket, ``bucket`` for the list of buckets."""

    method: str
    bucket: str
    key: str
    parameters: dict[str, str]

    @property
    def copy_source(self) -> str:
        """Bucket and key in the form of x-amz-copy-source."""
        version = self.parameters.get("versionId")
        return f"/{self.bucket}/{quote(self.key, safe='')}" + (
            f"?versionId={quote(version, safe='')}" if version else ""
        )

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD")

    @property
    def creates_bucket(self) -> bool:
        return (
            self.method == "PUT"
            and bool(self.bucket)
            and not self.key
            and not self.parameters.keys() - {"x-id"}
        )


def parse_operation(request: Request, host_bucket: str | None) -> S3Operation:
    """Return the operation of a request.

    ``host_bucket`` is the bucket that the host name contains; without it the path contains one.

    Raises:
        S3Error: the method, the path, the bucket name or the key is not valid.
    """
    if request.method not in METHODS:
        raise S3Error(405, "MethodNotAllowed", "The method is not allowed here.")
    if not request.path.startswith("/"):
        raise S3Error(400, "InvalidURI", "The path cannot be parsed.")
    address = f"{host_bucket}{request.path}" if host_bucket else request.path[1:]
    return _parse_address(request.method, address, dict(request.parameters))


def parse_copy_source(header: str) -> S3Operation:
    """Return the read operation of an x-amz-copy-source header.

    Raises:
        S3Error: the header does not name an object.
    """
    address, _, query = header.removeprefix("/").partition("?")
    version = re.fullmatch("versionId=([^&#]*)", query)
    parameters = {"versionId": unquote(version[1])} if version else {}
    source = _parse_address("GET", address, parameters)
    if not source.key:
        raise S3Error(400, "InvalidArgument", "x-amz-copy-source does not name an object.")
    return source


def _parse_address(method: str, address: str, parameters: dict[str, str]) -> S3Operation:
    """Parse ``BUCKET/KEY``, percent-encoded once as it was received."""
    try:
        bucket, slash, key = (
            unquote_to_bytes(address.encode("latin-1", "replace")).decode().partition("/")
        )
    except UnicodeDecodeError:
        raise S3Error(400, "InvalidURI", "The path is not UTF-8.") from None
    if (bucket or key or slash) and not BUCKET_NAME.fullmatch(bucket):
        raise S3Error(400, "InvalidBucketName", "The specified bucket is not valid.")
    if "\n" in key:
        raise S3Error(400, "InvalidURI", "A key with a line break is not supported here.")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise S3Error(400, "KeyTooLongError", "Your key is too long.")
    return S3Operation(method=method, bucket=bucket, key=key, parameters=parameters)
