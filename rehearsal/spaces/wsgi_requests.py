"""Requests to Spaces: as they came in, to be judged, and as they are handed to the store when they have been."""

import io
from collections.abc import Mapping
from urllib.parse import quote, unquote
from wsgiref.types import WSGIEnvironment

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

from rehearsal.spaces.signature import RefusedError, Request

VERIFIED = "AWS4-HMAC-SHA256 Credential=verified/20000101/us-east-1/s3/aws4_request"
"""The store reads a region from the signature, in which it would refuse our location constraints: this one accepts all."""

NOT_FORWARDED = (
    "HTTP_TRANSFER_ENCODING",
    "HTTP_X_AMZ_CONTENT_SHA256",
    "HTTP_X_AMZ_DECODED_CONTENT_LENGTH",
    "HTTP_X_AMZ_TRAILER",
)
FOR_MOTO = "HTTP_X_MOTO_"
"""Headers by which moto itself would be told what to do, in whose name."""


def received(environ: WSGIEnvironment) -> Request:
    """The request with its whole body.

    Raises:
        RefusedError: the body is not as long as the client said.
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
        body=_body(environ),
    )


def forwarded(
    environ: WSGIEnvironment,
    request: Request,
    bucket: str,
    key: str,
    body: bytes,
    extra: Mapping[str, str],
) -> WSGIEnvironment:
    """The request for the store: bucket and key in the path, the content plain, and no signature, for it has been judged.

    ``extra`` are headers that are added, or stand for those of the same name.
    """
    path = f"/{bucket}/{quote(key, safe='/-_.~')}"
    query = "&".join(
        part for part in request.query.split("&") if not part.lower().startswith("x-amz-")
    )
    encodings = [part.strip() for part in environ.get("HTTP_CONTENT_ENCODING", "").split(",")]
    changed = {
        "HTTP_HOST": "localhost",
        "PATH_INFO": unquote(path, "latin-1"),
        "RAW_URI": f"{path}?{query}",
        "REQUEST_URI": f"{path}?{query}",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": VERIFIED,
        "HTTP_CONTENT_ENCODING": ",".join(
            part for part in encodings if part not in ("", "aws-chunked")
        ),
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in extra.items()},
    }
    told = {**environ, **changed}
    return {
        name: value
        for name, value in told.items()
        if name not in NOT_FORWARDED and not name.startswith(FOR_MOTO) and value != ""
    }


def _body(environ: WSGIEnvironment) -> bytes:
    if environ.get("wsgi.input_terminated"):
        try:
            return bytes(environ["wsgi.input"].read())
        except OSError:
            raise RefusedError(
                400, "IncompleteBody", "The body ended before its last chunk."
            ) from None
    announced = environ.get("CONTENT_LENGTH") or "0"
    if not (announced.isascii() and announced.isdecimal()) or len(announced) > 15:
        raise RefusedError(400, "InvalidArgument", "Content-Length is not a number of bytes.")
    body: bytes = environ["wsgi.input"].read(int(announced))
    if len(body) < int(announced):
        raise RefusedError(400, "IncompleteBody", "The body is shorter than Content-Length says.")
    return body
