"""Responses of Spaces that do not come from moto."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple
from xml.sax.saxutils import escape

from moto.s3.models import FakeBucket

from rehearsal.spaces.errors import S3Error

XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
XML_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Response(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


def error_response(method: str, path: str, error: S3Error) -> Response:
    content = (
        f"<Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
        f"<Resource>{escape(path)}</Resource>"
    )
    return _xml_response(method, error.status, f"<Error>{content}</Error>")


def bucket_list_response(method: str, account: str, buckets: Iterable[FakeBucket]) -> Response:
    entries = "".join(
        f"<Bucket><Name>{bucket.name}</Name>"
        f"<CreationDate>{bucket.creation_date_ISO8601}</CreationDate></Bucket>"
        for bucket in buckets
    )
    owner = f"<Owner><ID>{account}</ID><DisplayName>{account}</DisplayName></Owner>"
    return _xml_response(
        method,
        200,
        f'<ListAllMyBucketsResult xmlns="{XML_NAMESPACE}">{owner}'
        f"<Buckets>{entries}</Buckets></ListAllMyBucketsResult>",
    )


def _xml_response(method: str, status: int, text: str) -> Response:
    body = b"" if method == "HEAD" else f"{XML_DECLARATION}{text}".encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    return Response(f"{status} {HTTPStatus(status).phrase}", headers, body)
