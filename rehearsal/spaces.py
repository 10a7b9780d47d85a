"""Spaces: what stands before the store and lets pass only requests that are signed with the cloud's key.

Buckets are addressed as real ones are, by host name (``bucket.nyc3.spaces.domain``) or by path, and each is found
in its own region only. Whoever signs nothing may read public objects and do nothing else.
"""

import io
import re
import socket
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIEnvironment
from xml.sax.saxutils import escape

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from rehearsal.buckets import Buckets
from rehearsal.config import CloudConfig
from rehearsal.dns import SPACES_REGIONS
from rehearsal.signature import RefusedError, Request, is_anonymous, verify

SIGNING_REGION = "us-east-1"
"""What clients sign for, whichever region they mean."""

NOT_THE_OBJECT = {"acl", "attributes", "legal-hold", "retention", "tagging", "torrent", "uploadId"}
"""Parameters by which a GET of an object asks for something else than its content."""

CONSTRAINT = "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"


class Spaces:
    """The WSGI application."""

    def __init__(self, config: CloudConfig, buckets: Buckets) -> None:
        self._keys = {config.spaces_key: config.spaces_secret}
        self._buckets = buckets
        regions = "|".join(SPACES_REGIONS)
        self._host = re.compile(rf"(?:(?P<bucket>.+)\.)?(?P<region>{regions})\.spaces\.{re.escape(config.domain)}(?::\d+)?")

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = received(environ)
        try:
            path, body = self._admit(request)
        except RefusedError as refused:
            return _error(request, refused, start)
        return self._buckets.handle(_forwarded(environ, request, path, body), start)

    def _admit(self, request: Request) -> tuple[str, bytes]:
        """Path and body for the store, of a request that may pass.

        Raises:
            RefusedError: it may not.
        """
        match = self._host.fullmatch(request.headers.get("host", "").lower())
        if match is None:
            raise RefusedError(400, "InvalidRequest", "Spaces does not answer under this host name.")
        region, path = match["region"], f"/{match['bucket']}{request.path}" if match["bucket"] else request.path
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        if is_anonymous(request):
            self._admit_anyone(request, region, bucket, key)
        else:
            verify(request, self._keys, {SIGNING_REGION, region})
        if request.method == "PUT" and bucket and not key and not request.query:
            return path, _located(request.body, region)
        if self._buckets.region(bucket) not in (None, region):
            raise RefusedError(404, "NoSuchBucket", "The specified bucket does not exist.")
        return path, request.body

    def _admit_anyone(self, request: Request, region: str, bucket: str, key: str) -> None:
        parameters = dict(request.parameters)
        reads = request.method in ("GET", "HEAD") and key and not parameters.keys() & NOT_THE_OBJECT
        if not reads or self._buckets.region(bucket) != region or not self._buckets.is_public(bucket, key, parameters.get("versionId")):
            raise RefusedError(403, "AccessDenied", "Access Denied.")


class Quiet(MotoRequestHandler):
    """Keeps presigned addresses out of the log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the answer tells its client."""


def server(config: CloudConfig, listener: socket.socket) -> BaseWSGIServer:
    """Spaces on a listening socket; its objects are in the cloud's directory ``spaces``."""
    app = Spaces(config, Buckets(config.directory / "spaces"))
    host, port = listener.getsockname()
    return make_server(host, port, app, threaded=True, request_handler=Quiet, fd=listener.fileno())


def received(environ: WSGIEnvironment) -> Request:
    """The request with its whole body."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read() if environ.get("wsgi.input_terminated") else environ["wsgi.input"].read(length)
    original: dict[str, str] = environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {})
    headers = {
        original.get(name, name.removeprefix("HTTP_").replace("_", "-")).lower(): value
        for name, value in environ.items()
        if isinstance(value, str) and (name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH"))
    }
    path, _, query = environ["RAW_URI"].partition("?")
    return Request(method=environ["REQUEST_METHOD"], path=path, query=query, headers=headers, body=body)


def _forwarded(environ: WSGIEnvironment, request: Request, path: str, body: bytes) -> WSGIEnvironment:
    """The request as the store takes it: the bucket in the path, and no signature, for it has been judged.

    The store reads a region from the signature, in which it would refuse our location constraints: it sees
    the one that accepts all.
    """
    query = "&".join(part for part in request.query.split("&") if not part.lower().startswith("x-amz-"))
    changed = {
        "HTTP_HOST": "localhost",
        "PATH_INFO": unquote(path, "latin-1"),
        "RAW_URI": f"{path}?{query}",
        "REQUEST_URI": f"{path}?{query}",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=verified/20000101/{SIGNING_REGION}/s3/aws4_request",
        "wsgi.input": io.BytesIO(body),
    }
    return {name: value for name, value in {**environ, **changed}.items() if name != "HTTP_TRANSFER_ENCODING"}


def _located(body: bytes, region: str) -> bytes:
    """The body of a bucket's creation, naming the region of the endpoint whether the client did or not.

    Raises:
        RefusedError: the client named another.
    """
    named = re.search(rb"<LocationConstraint[^>]*>([^<]+)<", body)
    if named and named[1].decode(errors="replace") not in (region, SIGNING_REGION):
        raise RefusedError(400, "InvalidLocationConstraint", "The specified location-constraint is not valid.")
    return CONSTRAINT.format(region=region).encode()


def _error(request: Request, refused: RefusedError, start: StartResponse) -> list[bytes]:
    text = f"<Error><Code>{refused.code}</Code><Message>{escape(str(refused))}</Message><Resource>{escape(request.path)}</Resource></Error>"
    body = b"" if request.method == "HEAD" else f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
    status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]
