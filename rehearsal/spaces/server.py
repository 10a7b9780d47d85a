"""Spaces: what stands before the store and lets pass only requests that are signed with a key that may do what they ask.

Buckets are addressed as real ones are, by host name (``bucket.nyc3.spaces.domain``) or by path, and each is found
in its own region only. Their names are global; a bucket is its account's. Where there is no network to have names in,
Spaces answers under any address, to paths only, and for all regions.
"""

import re
import socket
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.types import StartResponse, WSGIEnvironment
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import CloudConfig
from rehearsal.spaces import aws_chunked, checksums
from rehearsal.spaces.bucket_store import Answer, Buckets, MalformedRequestError, UnavailableError
from rehearsal.spaces.permissions import S3Operation
from rehearsal.spaces.wsgi_requests import forwarded, received
from rehearsal.spaces.signature import (
    IN_CHUNKS,
    RefusedError,
    Request,
    is_anonymous,
    signing_key,
    verify,
)
from rehearsal.state.spaces_key_file import Key, SpacesKeys

SIGNING_REGION = "us-east-1"
"""What clients sign for, whichever region they mean."""

DEFAULT_REGION = "nyc3"
"""Where a bucket is made if neither the endpoint nor the client says it."""

BUCKET = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
LONGEST_KEY = 1024
"""Bytes."""

NOT_SERVED = {
    "accelerate", "analytics", "encryption", "intelligent-tiering", "inventory", "legal-hold", "logging", "metrics", "notification",
    "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "restore", "retention", "select",
    "torrent", "website",
}  # fmt: skip
"""What S3 has and Spaces has not; also access logs, which nothing here reads, and policies and websites, which nothing here heeds."""

COLD = {"GLACIER", "DEEP_ARCHIVE"}
"""Storage classes whose objects nothing here could bring back."""

CONSTRAINT = "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
DENIED = RefusedError(403, "AccessDenied", "Access Denied.")
LACKING = RefusedError(501, "NotImplemented", "Spaces does not implement this.")


class Spaces:
    """The WSGI application."""

    def __init__(self, config: CloudConfig, buckets: Buckets, anywhere: bool = False) -> None:
        self._keyring = SpacesKeys(config)
        self._buckets = buckets
        self._anywhere = anywhere
        regions = "|".join(SPACES_REGIONS)
        self._host = re.compile(
            rf"(?:(?P<bucket>.+)\.)?(?P<region>{regions})\.spaces\.{re.escape(config.domain)}(?::\d+)?"
        )

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["RAW_URI"].partition("?")[0]
        try:
            answer = self._answer(environ, received(environ))
        except RefusedError as refused:
            answer = _error(method, path, refused)
        except MalformedRequestError:
            answer = _error(
                method,
                path,
                RefusedError(400, "InvalidRequest", "The request is not one that Spaces knows."),
            )
        except UnavailableError:
            answer = _error(
                method,
                path,
                RefusedError(
                    503, "ServiceUnavailable", "Spaces cannot keep this now: its disk is full."
                ),
            )
        start(answer.status, answer.headers)
        return [answer.body]

    def close(self) -> None:
        self._keyring.close()
        self._buckets.close()

    def _answer(self, environ: WSGIEnvironment, request: Request) -> Answer:
        """Raises: RefusedError, ConfusedError, UnavailableError."""
        match = self._host.fullmatch(request.headers.get("host", "").lower())
        if match is None and not self._anywhere:
            raise RefusedError(
                400, "InvalidRequest", "Spaces does not answer under this host name."
            )
        region, asked = match and match["region"], _asked(request, match and match["bucket"])
        key, body, extra = self._verified(request, region)
        with self._buckets.alone():
            if asked.creates:
                body = self._created(asked, key, region, body)
            else:
                self._admit(asked, key, region)
            if environ.get("HTTP_X_AMZ_STORAGE_CLASS") in COLD:
                raise LACKING
            source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
            if source is not None:
                copied = _source(source)
                self._admit(copied, key, region)
                extra["x-amz-copy-source"] = copied.address
            if not asked.bucket:
                assert key is not None
                return self._list(asked.method, key, region)
            account = key.account if key else ""
            return self._buckets.handle(
                forwarded(environ, request, asked.bucket, asked.key, body, extra),
                account,
                asked.bucket,
                asked.key,
            )

    def _verified(
        self, request: Request, region: str | None
    ) -> tuple[Key | None, bytes, dict[str, str]]:
        """The key that signed the request, none if nobody did; its content, and what more the store is told."""
        key, body, trailers = None, request.body, dict[str, str]()
        if not is_anonymous(request):
            regions = {SIGNING_REGION, *([region] if region else SPACES_REGIONS)}
            claim = verify(
                request,
                lambda id: found.secret if (found := self._keyring.get(id)) else None,
                regions,
            )
            key = self._keyring.get(claim.key)
            if key is None:
                raise RefusedError(403, "InvalidAccessKeyId", "The access key is not known here.")
            if claim.payload.startswith(IN_CHUNKS):
                body, trailers = aws_chunked.content(
                    request, claim, signing_key(key.secret, claim.scope)
                )
        checksums.check({**request.headers, **trailers}, body)
        return key, body, checksums.of_trailers(trailers)

    def _admit(self, asked: S3Operation, key: Key | None, region: str | None) -> None:
        """Raises: RefusedError for what the key may not do, or is not there."""
        here = region is None or self._buckets.region(asked.bucket) in (None, region)
        if not (here and asked.allowed_to_all(self._buckets)):
            if key is None:
                raise DENIED
            if not here:
                raise RefusedError(404, "NoSuchBucket", "The specified bucket does not exist.")
            if not asked.allowed_to(key, self._buckets):
                raise DENIED
        if not NOT_SERVED.isdisjoint(asked.parameters):
            raise LACKING

    def _created(
        self, asked: S3Operation, key: Key | None, region: str | None, body: bytes
    ) -> bytes:
        """The body of a bucket's creation that may be."""
        if key is None or not key.has_full_access:
            raise DENIED
        match self._buckets.owner(asked.bucket):
            case None:
                return _located(body, region)
            case key.account:
                raise RefusedError(
                    409, "BucketAlreadyOwnedByYou", "You own a bucket of this name already."
                )
            case _:
                raise RefusedError(
                    409, "BucketAlreadyExists", "The requested bucket name is not available."
                )

    def _list(self, method: str, key: Key, region: str | None) -> Answer:
        """The buckets of the key's account in the region."""
        if method not in ("GET", "HEAD"):
            raise RefusedError(405, "MethodNotAllowed", "The method is not allowed here.")
        own = [
            bucket
            for bucket in self._buckets.owned(key.account)
            if region in (None, bucket.region_name)
        ]
        listed = "".join(
            f"<Bucket><Name>{bucket.name}</Name><CreationDate>{bucket.creation_date_ISO8601}</CreationDate></Bucket>"
            for bucket in own
        )
        owner = f"<Owner><ID>{key.account}</ID><DisplayName>{key.account}</DisplayName></Owner>"
        spaces = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        return _xml(
            method,
            200,
            f"<ListAllMyBucketsResult {spaces}>{owner}<Buckets>{listed}</Buckets></ListAllMyBucketsResult>",
        )


class Handler(MotoRequestHandler):
    """Tells the path as it was signed, and keeps presigned addresses out of the log."""

    def make_environ(self) -> WSGIEnvironment:
        """With what ``http.server`` takes from a path that begins with two slashes."""
        return {**super().make_environ(), "RAW_URI": self.requestline.split()[1]}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the answer tells its client."""


class Server(ThreadedWSGIServer):
    """Closes its store when it is closed, which its base does when it has served, and others may do again."""

    def __init__(self, listener: socket.socket, app: Spaces) -> None:
        self._spaces: Spaces | None = (
            None  # the base closes its own socket first, which is not to close the store
        )
        host, port = listener.getsockname()
        super().__init__(host, port, app, Handler, fd=listener.fileno())
        self._spaces = app

    def server_close(self) -> None:
        super().server_close()
        app, self._spaces = self._spaces, None
        if app is not None:
            app.close()


def server(config: CloudConfig, listener: socket.socket, anywhere: bool = False) -> Server:
    """Spaces on a listening socket, under any address if ``anywhere``; its objects are in the cloud's directory ``spaces``.

    Raises:
        BlockingIOError: it is served already.
    """
    return Server(listener, Spaces(config, Buckets(config.directory / "spaces"), anywhere))


def _asked(request: Request, bucket: str | None) -> S3Operation:
    """What the request is about; ``bucket`` if the host says it, else it is in the path.

    Raises:
        RefusedError: no bucket or object can have that name.
    """
    if request.method not in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"):
        raise RefusedError(405, "MethodNotAllowed", "The method is not allowed here.")
    if not request.path.startswith("/"):
        raise RefusedError(400, "InvalidURI", "The path cannot be parsed.")
    return _named(
        request.method,
        f"{bucket}{request.path}" if bucket else request.path[1:],
        dict(request.parameters),
    )


def _named(method: str, address: str, parameters: dict[str, str]) -> S3Operation:
    """``address`` is bucket and key as on the wire, percent-encoded once."""
    try:
        bucket, slash, key = (
            unquote_to_bytes(address.encode("latin-1", "replace")).decode().partition("/")
        )
    except UnicodeDecodeError:
        raise RefusedError(400, "InvalidURI", "The path is not UTF-8.") from None
    if (bucket or key or slash) and not BUCKET.fullmatch(bucket):
        raise RefusedError(400, "InvalidBucketName", "The specified bucket is not valid.")
    if "\n" in key:
        raise RefusedError(400, "InvalidURI", "A key with a line break is not kept here.")
    if len(key.encode()) > LONGEST_KEY:
        raise RefusedError(400, "KeyTooLongError", "Your key is too long.")
    return S3Operation(method=method, bucket=bucket, key=key, parameters=parameters)


def _source(header: str) -> S3Operation:
    """What is to be copied, of x-amz-copy-source."""
    address, _, query = header.removeprefix("/").partition("?")
    version = re.fullmatch("versionId=([^&#]*)", query)
    source = _named("GET", address, {"versionId": unquote(version[1])} if version else {})
    if not source.key:
        raise RefusedError(400, "InvalidArgument", "x-amz-copy-source names no object.")
    return source


def _located(body: bytes, region: str | None) -> bytes:
    """The body of a bucket's creation, naming the region of the endpoint whether the client did or not.

    Raises:
        RefusedError: the client named another, or one where there is no Spaces.
    """
    found = re.search(rb"<LocationConstraint[^>]*>([^<]+)<", body)
    named = found[1].decode(errors="replace") if found else SIGNING_REGION
    if named != SIGNING_REGION and named not in ([region] if region else SPACES_REGIONS):
        raise RefusedError(
            400, "InvalidLocationConstraint", "The specified location-constraint is not valid."
        )
    return CONSTRAINT.format(
        region=region or (DEFAULT_REGION if named == SIGNING_REGION else named)
    ).encode()


def _error(method: str, path: str, refused: RefusedError) -> Answer:
    text = f"<Code>{refused.code}</Code><Message>{escape(str(refused))}</Message><Resource>{escape(path)}</Resource>"
    return _xml(method, refused.status, f"<Error>{text}</Error>")


def _xml(method: str, status: int, text: str) -> Answer:
    body = b"" if method == "HEAD" else f"{XML}{text}".encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    return Answer(f"{status} {HTTPStatus(status).phrase}", headers, body)
