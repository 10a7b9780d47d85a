"""Conversion of WSGI environments: to a request for verification, and to a request for moto."""

import io
from collections.abc import Mapping
from urllib.parse import quote, unquote
from wsgiref.types import WSGIEnvironment

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

from rehearsal.spaces.errors import S3Error
from rehearsal.spaces.operation import S3Operation
from rehearsal.spaces.signature import Request

MOTO_AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=verified/20000101/us-east-1/s3/aws4_request"
"""moto reads the region from the signature. For this region it accepts all our constraints."""

NOT_FORWARDED = (
    "HTTP_TRANSFER_ENCODING",
    "HTTP_X_AMZ_CONTENT_SHA256",
    "HTTP_X_AMZ_DECODED_CONTENT_LENGTH",
    "HTTP_X_AMZ_TRAILER",
)
MOTO_HEADER_PREFIX = "HTTP_X_MOTO_"
"""Headers that control moto itself, such as the account to act for. Clients must not set them."""


def read_request(environ: WSGIEnvironment) -> Request:
    """Return the request with its complete body.

    Raises:
        S3Error: the body is shorter than announced, or its length is not valid.
    """
    original: dict[str, str] = environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {})
    headers = {
        original.get(name, name.removeprefix("HTTP_").replace("_", "-")).lower(): value
        for name, value in environ.items()
        if isinstance(value, str)
        and (name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH"))
    }
    path, _, query = environ["RAW_URI"].partition("?")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        query=query,
        headers=headers,
        body=_read_body(environ),
    )


def build_moto_environ(
    environ: WSGIEnvironment,
    request: Request,
    operation: S3Operation,
    body: bytes,
    extra_headers: Mapping[str, str],
) -> WSGIEnvironment:
    """Return the environment of the request to moto.

    Bucket and key are in the path and the body is decoded. The signature is a constant, because
    the original one is verified already. ``extra_headers`` are added or replace existing ones.
    """
    path = f"/{operation.bucket}/{quote(operation.key, safe='/-_.~')}"
    query = "&".join(
        part for part in request.query.split("&") if not part.lower().startswith("x-amz-")
    )
    encodings = [part.strip() for part in environ.get("HTTP_CONTENT_ENCODING", "").split(",")]
    environ_for_moto = {
        **environ,
        "HTTP_HOST": "localhost",
        "PATH_INFO": unquote(path, "latin-1"),
        "RAW_URI": f"{path}?{query}",
        "REQUEST_URI": f"{path}?{query}",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": MOTO_AUTHORIZATION,
        "HTTP_CONTENT_ENCODING": ",".join(
            part for part in encodings if part not in ("", "aws-chunked")
        ),
        "wsgi.input": io.BytesIO(body),
        **{
            f"HTTP_{name.upper().replace('-', '_')}": value for name, value in extra_headers.items()
        },
    }
    return {
        name: value
        for name, value in environ_for_moto.items()
        if name not in NOT_FORWARDED and not name.startswith(MOTO_HEADER_PREFIX) and value != ""
    }


def _read_body(environ: WSGIEnvironment) -> bytes:
    if environ.get("wsgi.input_terminated"):
        try:
            return bytes(environ["wsgi.input"].read())
        except OSError:
            message = "The body ended before its last chunk."
            raise S3Error(400, "IncompleteBody", message) from None
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal()) or len(length) > 15:
        raise S3Error(400, "InvalidArgument", "Content-Length is not a number of bytes.")
    body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) < int(length):
        raise S3Error(400, "IncompleteBody", "The body is shorter than Content-Length.")
    return body
