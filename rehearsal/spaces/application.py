"""The WSGI application of Spaces: authenticates and authorises requests, then calls moto.

As on DigitalOcean, a bucket is addressed by host name (``BUCKET.REGION.spaces.DOMAIN``) or by
path, and only in its own region. Bucket names are global; a bucket belongs to one account.
With ``any_host``, Spaces accepts every host name and serves all regions, by path only.
"""

import re
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import CloudConfig
from rehearsal.spaces import aws_chunked, checksums
from rehearsal.spaces.bucket_location import SIGNING_REGION, locate_bucket
from rehearsal.spaces.bucket_store import BucketStore
from rehearsal.spaces.errors import (
    MalformedRequestError,
    S3Error,
    UnavailableError,
    access_denied,
    not_implemented,
)
from rehearsal.spaces.operation import S3Operation, parse_copy_source, parse_operation
from rehearsal.spaces.permissions import is_allowed, is_public_read
from rehearsal.spaces.responses import Response, bucket_list_response, error_response
from rehearsal.spaces.signature import (
    CHUNKED_PREFIX,
    Request,
    is_anonymous,
    signing_key,
    verify,
)
from rehearsal.spaces.wsgi_requests import build_moto_environ, read_request
from rehearsal.state.spaces_key_file import Key, SpacesKeys

UNSUPPORTED_PARAMETERS = {
    "accelerate",
    "analytics",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "restore",
    "retention",
    "select",
    "torrent",
    "website",
}
"""Operations that Spaces lacks, and those that the rehearsal would store but not apply."""

ARCHIVE_STORAGE_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
"""Storage classes that need a restore, which the rehearsal does not implement."""


class SpacesApplication:
    def __init__(
        self,
        config: CloudConfig,
        buckets: BucketStore,
        any_host: bool = False,
        on_bucket: Callable[[str], None] | None = None,
    ) -> None:
        self._keys = SpacesKeys(config)
        self._buckets = buckets
        self._any_host = any_host
        self._on_bucket = on_bucket
        self._addressed: set[str] = set()
        """Buckets for which ``on_bucket`` was called."""
        regions, domain = "|".join(SPACES_REGIONS), re.escape(config.domain)
        self._host = re.compile(
            rf"(?:(?P<bucket>.+)\.)?(?P<region>{regions})\.spaces\.{domain}(?::\d+)?"
        )

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            response = self._respond(environ, read_request(environ))
        except (S3Error, MalformedRequestError, UnavailableError) as error:
            path = environ["RAW_URI"].partition("?")[0]
            response = error_response(environ["REQUEST_METHOD"], path, _s3_error(error))
        start(response.status, response.headers)
        return [response.body]

    def close(self) -> None:
        self._keys.close()
        self._buckets.close()

    def _respond(self, environ: WSGIEnvironment, request: Request) -> Response:
        """Raises: S3Error, MalformedRequestError, UnavailableError."""
        host = self._host.fullmatch(request.headers.get("host", "").lower())
        if host is None and not self._any_host:
            raise S3Error(400, "InvalidRequest", "Spaces does not serve this host name.")
        region = host and host["region"]
        operation = parse_operation(request, host and host["bucket"])
        key, body, extra_headers = self._authenticate(request, region)
        if key and not (host and host["bucket"]):
            self._report_bucket(operation.bucket)
        with self._buckets.exclusive():
            if operation.creates_bucket:
                self._authorize_bucket_creation(operation, key)
                body = locate_bucket(body, region)
            else:
                self._authorize(operation, key, region)
            if environ.get("HTTP_X_AMZ_STORAGE_CLASS") in ARCHIVE_STORAGE_CLASSES:
                raise not_implemented()
            copy_source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
            if copy_source is not None:
                source = parse_copy_source(copy_source)
                self._authorize(source, key, region)
                extra_headers["x-amz-copy-source"] = source.copy_source
            if not operation.bucket:
                assert key is not None
                return self._list_buckets(operation, key, region)
            return self._buckets.handle(
                build_moto_environ(environ, request, operation, body, extra_headers),
                key.account if key else "",
                operation.bucket,
                operation.key,
            )

    def _report_bucket(self, bucket: str) -> None:
        if self._on_bucket and bucket and bucket not in self._addressed:
            self._addressed.add(bucket)
            self._on_bucket(bucket)

    def _authenticate(
        self, request: Request, region: str | None
    ) -> tuple[Key | None, bytes, dict[str, str]]:
        """Verify signature and checksums.

        Returns the key (None for an anonymous request), the decoded body and headers for moto.
        """
        key, body, trailers = None, request.body, dict[str, str]()
        if not is_anonymous(request):
            regions = {SIGNING_REGION, *([region] if region else SPACES_REGIONS)}
            claims = verify(request, self._secret_of, regions)
            key = self._keys.get(claims.key)
            if key is None:
                raise S3Error(403, "InvalidAccessKeyId", "The access key does not exist.")
            if claims.payload.startswith(CHUNKED_PREFIX):
                secret = signing_key(key.secret, claims.scope)
                body, trailers = aws_chunked.decode_body(request, claims, secret)
        checksums.check({**request.headers, **trailers}, body)
        return key, body, checksums.trailer_headers(trailers)

    def _secret_of(self, access_key: str) -> str | None:
        key = self._keys.get(access_key)
        return key.secret if key else None

    def _authorize(self, operation: S3Operation, key: Key | None, region: str | None) -> None:
        """Raise S3Error unless the key may do this and the bucket is in this region."""
        in_region = region is None or self._buckets.region_of(operation.bucket) in (None, region)
        if not (in_region and is_public_read(operation, self._buckets)):
            if key is None:
                raise access_denied()
            if not in_region:
                raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist.")
            if not is_allowed(operation, key, self._buckets):
                raise access_denied()
        if not UNSUPPORTED_PARAMETERS.isdisjoint(operation.parameters):
            raise not_implemented()

    def _authorize_bucket_creation(self, operation: S3Operation, key: Key | None) -> None:
        if key is None or not key.has_full_access:
            raise access_denied()
        owner = self._buckets.owner_of(operation.bucket)
        if owner == key.account:
            message = "You own a bucket of this name already."
            raise S3Error(409, "BucketAlreadyOwnedByYou", message)
        if owner is not None:
            message = "The requested bucket name is not available."
            raise S3Error(409, "BucketAlreadyExists", message)

    def _list_buckets(self, operation: S3Operation, key: Key, region: str | None) -> Response:
        """List the buckets of the key's account in the region."""
        if not operation.is_read:
            raise S3Error(405, "MethodNotAllowed", "The method is not allowed here.")
        buckets = (
            bucket
            for bucket in self._buckets.buckets_of(key.account)
            if region in (None, bucket.region_name)
        )
        return bucket_list_response(operation.method, key.account, buckets)


def _s3_error(error: S3Error | MalformedRequestError | UnavailableError) -> S3Error:
    match error:
        case S3Error():
            return error
        case MalformedRequestError():
            return S3Error(400, "InvalidRequest", "Spaces does not support this request.")
        case UnavailableError():
            message = "Spaces cannot store the change: its disk is full."
            return S3Error(503, "ServiceUnavailable", message)
