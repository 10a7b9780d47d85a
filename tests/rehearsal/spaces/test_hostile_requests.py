"""Malicious and malformed requests to Spaces: no foreign file changes, no internal error occurs."""

import base64
import hashlib
import hmac
import http.client
import random
import socket
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from rehearsal.config import CloudConfig
from rehearsal.spaces.errors import S3Error
from rehearsal.spaces.signature import Request, signing_key, verify
from tests.rehearsal.support.small_spaces import (
    KEY,
    LARGE,
    SECRET,
    RawClient,
    Style,
    error_code,
    make_cloud,
    s3_client,
    serve_spaces,
)

HOSTILE_KEYS = [
    "..",
    ".",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "//two",
    "a//b",
    "./x",
    "x/",
    "x/../y",
    "%2e%2e%2f",
    "%2F",
    "a%00",
    "nul\0x",
    "ü" * 300,
    "😀",
    "\u202e",
    "\x01",
    "a b+c",
    "x" * 1024,
    "a?b#c&d=e;f",
    "<&>'\"",
    "moto-api/reset",
    "latest/meta-data/",
    "a\\b",
    "*",
]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    return make_cloud(tmp_path, monkeypatch)


@pytest.fixture
def port(config: CloudConfig) -> Iterator[int]:
    with serve_spaces(config) as port:
        s3_client(port).create_bucket(Bucket="artifacts")
        yield port


def files(directory: Path) -> set[str]:
    return {str(file.relative_to(directory)) for file in directory.rglob("*")}


@pytest.mark.parametrize("style", ["virtual", "path"])
def test_any_key_is_accepted_and_never_becomes_a_file_name(
    config: CloudConfig, port: int, tmp_path: Path, style: Style
) -> None:
    s3 = s3_client(port, style=style)
    before = files(tmp_path)
    for name in HOSTILE_KEYS:
        body = name.encode() + bytes(5000)
        s3.put_object(Bucket="artifacts", Key=name, Body=body)
        assert s3.get_object(Bucket="artifacts", Key=name)["Body"].read() == body
        assert name in [
            found["Key"]
            for found in s3.list_objects_v2(Bucket="artifacts", Prefix=name)["Contents"]
        ]
        s3.copy_object(
            Bucket="artifacts", Key="copy", CopySource={"Bucket": "artifacts", "Key": name}
        )
        assert s3.get_object(Bucket="artifacts", Key="copy")["Body"].read() == body
    contents = {
        f"contents/{hashlib.sha256(name.encode() + bytes(5000)).hexdigest()}"
        for name in HOSTILE_KEYS
    }
    new = {name.removeprefix(f"clouds/{config.name}/spaces/") for name in files(tmp_path) - before}
    assert new == contents
    for name in HOSTILE_KEYS:
        s3.delete_object(Bucket="artifacts", Key=name)
    s3.delete_object(Bucket="artifacts", Key="copy")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["x" * 1025, "x" * 5000, "ü" * 600])
def test_a_key_that_is_too_long_is_refused(port: int, name: str) -> None:
    assert (
        error_code(s3_client(port).put_object, Bucket="artifacts", Key=name, Body=b"")
        == "KeyTooLongError"
    )


def test_an_invalid_bucket_name_is_refused(port: int) -> None:
    raw = RawClient(port)
    for name in (
        "..",
        "%2e%2e",
        "%2e%2e%2fetc",
        "a",
        "b" * 64,
        "b" * 5000,
        "UPPER",
        "under_score",
        "%00",
        "b%00b",
        "%C3%BC%C3%BC%C3%BC",
        "-abc",
    ):
        for path in (f"/{name}", f"/{name}/", f"/{name}/one"):
            status, body = raw("PUT", path)
            assert (status, b"InvalidBucketName" in body) == (400, True), path
    for path in ("//artifacts/one", "//etc/passwd", "/%2Fartifacts/one"):
        assert raw("GET", path)[0] == 400
    assert raw("PUT", "/artifacts/%ff%fe")[0] == 400
    assert raw("GET", "/", host=f"{'x' * 5000}.nyc3.spaces.test.internal")[0] == 400


def test_random_requests_cause_no_internal_error(port: int) -> None:
    """Random combinations of valid and invalid parts; 501 means an unsupported operation."""
    s3, raw, random_ = s3_client(port), RawClient(port), random.Random(5)
    s3.put_object(Bucket="artifacts", Key="one", Body=b"1")
    upload = s3.create_multipart_upload(Bucket="artifacts", Key="parts")["UploadId"]
    methods = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"]
    paths = [
        "/",
        "/artifacts",
        "/artifacts/one",
        "/artifacts/none",
        "/nowhere",
        "/nowhere/x",
        "/artifacts/..",
        "/moto-api/reset",
        "/favicon.ico",
    ]
    parameters = [
        "acl",
        "cors",
        "versioning",
        "lifecycle",
        "policy",
        "website",
        "tagging",
        "uploads",
        f"uploadId={upload}",
        "uploadId=x",
        "partNumber=1",
        "partNumber=x",
        "partNumber=-1",
        "partNumber=99999999999999999999",
        "delete",
        "location",
        "versions",
        "versionId=null",
        "versionId=x",
        "list-type=2",
        "max-keys=x",
        "max-keys=-1",
        "continuation-token=x",
        "prefix=%00",
        "delimiter=%FF",
        "attributes",
        "logging",
        "restore",
        "select",
        "torrent",
        "requestPayment",
        "response-content-type=x%0d%0ay",
        "marker=%00",
        "retention",
        "max-uploads=x",
    ]
    headers = [
        {},
        {"x-amz-acl": "nonsense"},
        {"x-amz-copy-source": "/artifacts/one"},
        {"x-amz-copy-source": "nonsense"},
        {"x-amz-copy-source": "/../x"},
        {"x-amz-grant-read": "nonsense"},
        {"Range": "bytes=x"},
        {"Range": "x"},
        {"Range": "bytes=5-1"},
        {"x-amz-tagging": "%"},
        {"x-amz-storage-class": "x"},
        {"If-Modified-Since": "x"},
        {"If-Match": "x"},
        {"Content-MD5": "x"},
        {"x-amz-checksum-crc32": "x"},
        {"x-amz-sdk-checksum-algorithm": "x"},
        {"Content-Encoding": "aws-chunked,gzip"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"x-moto-account-id": "111111111111"},
        {"x-amz-metadata-directive": "x", "x-amz-copy-source": "/artifacts/one"},
    ]
    entity = b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>"
    bodies = [
        b"",
        b"x",
        b"<x/>",
        b"<Delete/>",
        b"<Delete><Object><Key>../x</Key></Object></Delete>",
        b"\xff\xfe\x00",
        b"<CORSConfiguration/>",
        b"<VersioningConfiguration><Status>Bad</Status></VersioningConfiguration>",
        b"<LifecycleConfiguration/>",
        b"<Tagging/>",
        b"{}",
        b"<CompleteMultipartUpload/>",
        entity + b"<Delete><Object><Key>&y;</Key></Object></Delete>",
    ]
    for _ in range(600):
        path = random_.choice(paths)
        query = "&".join(random_.sample(parameters, random_.randint(0, 2)))
        sent = (
            random_.choice(methods),
            f"{path}?{query}",
            random_.choice(headers),
            random_.choice(bodies),
        )
        status, body = raw(*sent, signed=random_.random() < 0.95)
        assert status < 500 or status == 501, (sent, status, body)
        assert b"root:" not in body
    s3.put_object(Bucket="artifacts", Key="one", Body=b"still here")
    assert s3.get_object(Bucket="artifacts", Key="one")["Body"].read() == b"still here"


def test_malformed_signatures_are_refused(port: int) -> None:
    raw = RawClient(port)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    good = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/{now[:8]}/us-east-1/s3/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}"
    )
    host = {
        "Host": f"nyc3.spaces.test.internal:{port}",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-date": now,
    }
    for authorization in (
        good,
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 x",
        "AWS x:y",
        good.replace("host", ";" * 500),
        good.replace("0", "\xfc"),
    ):
        status, _ = raw.unsigned("GET", "/artifacts", {**host, "Authorization": authorization})
        assert status in (400, 403), authorization
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host"
        f"&X-Amz-Credential={KEY}%2F{now[:8]}%2Fus-east-1%2Fs3%2Faws4_request"
    )
    for time, expires in (
        (now, "9" * 5000),
        (now, "0"),
        (now, "-1"),
        (now, "604801"),
        ("00010101T000000Z", "60"),
        ("99991231T235959Z", "60"),
        ("x", "1"),
    ):
        signed = (
            f"/artifacts?{query}&X-Amz-Date={time}&X-Amz-Expires={expires}"
            f"&X-Amz-Signature={'0' * 64}"
        )
        assert raw.unsigned("GET", signed, {"Host": host["Host"]})[0] in (400, 403), (time, expires)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_request_time_15_minutes_off_is_refused(
    port: int, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda *_, **__: moment.replace(tzinfo=None)
    )
    assert error_code(s3_client(port).list_objects_v2, Bucket="artifacts") == "RequestTimeTooSkewed"


def test_an_unsigned_amz_header_is_refused(port: int) -> None:
    """The holder of a presigned upload URL must not copy another object with it."""
    s3, raw = s3_client(port), RawClient(port)
    s3.put_object(Bucket="artifacts", Key="secret", Body=b"secret")
    address = s3.generate_presigned_url(
        "put_object", Params={"Bucket": "artifacts", "Key": "given"}
    )
    target = address.partition(f":{port}")[2]
    host = {"Host": f"artifacts.nyc3.spaces.test.internal:{port}"}
    assert raw.unsigned("PUT", target, {**host, "x-amz-copy-source": "/artifacts/secret"})[0] == 403
    assert raw.unsigned("PUT", target, {**host, "x-amz-acl": "public-read"}, b"1")[0] == 403
    assert raw.unsigned("PUT", target, host, b"1")[0] == 200
    assert s3.get_object(Bucket="artifacts", Key="given")["Body"].read() == b"1"


def test_a_truncated_body_changes_nothing(port: int) -> None:
    s3 = s3_client(port)
    s3.put_object(Bucket="artifacts", Key="one", Body=b"whole")
    target = s3.generate_presigned_url(
        "put_object", Params={"Bucket": "artifacts", "Key": "one"}
    ).partition(f":{port}")[2]
    for framing, sent in (
        ("Content-Length: 100", b"half"),
        ("Transfer-Encoding: chunked", b"64\r\nhalf"),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(
                f"PUT {target} HTTP/1.1\r\n"
                f"Host: artifacts.nyc3.spaces.test.internal:{port}\r\n"
                f"{framing}\r\n\r\n".encode()
                + sent
            )
            connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 400, framing
    for length in ("-1", "x", "1" * 30):
        status, _ = RawClient(port).unsigned(
            "PUT",
            target,
            {"Host": f"artifacts.nyc3.spaces.test.internal:{port}", "Content-Length": length},
        )
        assert status == 400, length
    assert s3.get_object(Bucket="artifacts", Key="one")["Body"].read() == b"whole"


def test_a_checksum_that_does_not_match_is_refused(port: int) -> None:
    s3 = s3_client(port)
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert (
        error_code(s3.put_object, Bucket="artifacts", Key="one", Body=b"1", ContentMD5=wrong)
        == "BadDigest"
    )
    crc = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
    assert (
        error_code(s3.put_object, Bucket="artifacts", Key="one", Body=b"1", ChecksumCRC32=crc)
        == "BadDigest"
    )
    assert (
        error_code(s3.put_object, Bucket="artifacts", Key="one", Body=b"1", ChecksumSHA256="!")
        == "InvalidDigest"
    )
    assert error_code(s3.head_object, Bucket="artifacts", Key="one") == "404"


def test_an_unsigned_trailing_checksum_is_accepted(port: int) -> None:
    """boto3 sends such a checksum only over TLS, so the test strips TLS after signing."""
    s3 = s3_client(port)
    options = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    endpoint = f"https://nyc3.spaces.test.internal:{port}"
    tls_client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=options,
    )
    seen: list[str] = []

    def strip_tls(request: Any, **_: object) -> None:
        seen.append(str(request.headers["x-amz-content-sha256"], "ascii"))
        request.url = request.url.replace("https:", "http:")

    tls_client.meta.events.register("before-send.s3", strip_tls)
    tls_client.put_object(Bucket="artifacts", Key="one", Body=LARGE, ContentEncoding="gzip")
    got = s3.get_object(Bucket="artifacts", Key="one", ChecksumMode="ENABLED")
    assert seen == ["STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
    assert (got["Body"].read(), got["ContentEncoding"]) == (LARGE, "gzip")
    assert got["ChecksumCRC32"] == base64.b64encode(zlib.crc32(LARGE).to_bytes(4, "big")).decode()


class ChunkedUpload:
    """An upload in signed chunks, as the SDKs for Java and Rust send it without TLS."""

    def __init__(self, port: int, trailer: bool = False) -> None:
        self._raw, self._host = RawClient(port), f"nyc3.spaces.test.internal:{port}"
        self._payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        self._trailer = trailer
        self._time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._scope = f"{self._time[:8]}/us-east-1/s3/aws4_request"

    def put(
        self,
        path: str,
        *chunks: bytes,
        forge: bytes = b"",
        length: int | None = None,
        checksum: str = "",
    ) -> tuple[int, bytes]:
        whole = b"".join(chunks)
        headers = {
            "content-encoding": "aws-chunked",
            "host": self._host,
            "x-amz-content-sha256": self._payload,
            "x-amz-date": self._time,
            "x-amz-decoded-content-length": str(len(whole) if length is None else length),
        }
        if self._trailer:
            headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        names = ";".join(headers)
        canonical = "\n".join(
            [
                "PUT",
                path,
                "",
                *(f"{name}:{value}" for name, value in headers.items()),
                "",
                names,
                self._payload,
            ]
        )
        previous = self._sign("AWS4-HMAC-SHA256", hashlib.sha256(canonical.encode()).hexdigest())
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY}/{self._scope}, "
            f"SignedHeaders={names}, Signature={previous}"
        )
        body = b""
        for chunk in (*chunks, b""):
            previous = self._sign(
                "AWS4-HMAC-SHA256-PAYLOAD",
                previous,
                hashlib.sha256().hexdigest(),
                hashlib.sha256(chunk).hexdigest(),
            )
            body += (
                f"{len(chunk):x};chunk-signature={previous}\r\n".encode()
                + (forge or chunk if chunk else b"")
                + (b"\r\n" if chunk else b"")
            )
        if self._trailer:
            line = "x-amz-checksum-crc32:" + (
                checksum or base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
            )
            made = self._sign(
                "AWS4-HMAC-SHA256-TRAILER",
                previous,
                hashlib.sha256(f"{line}\n".encode()).hexdigest(),
            )
            body += f"{line}\r\nx-amz-trailer-signature:{made}\r\n".encode()
        return self._raw.unsigned("PUT", path, headers, body + b"\r\n")

    def _sign(self, what: str, *parts: str) -> str:
        text = "\n".join([what, self._time, self._scope, *parts])
        return hmac.digest(signing_key(SECRET, self._scope), text.encode(), "sha256").hex()


@pytest.mark.parametrize("trailer", [False, True])
def test_signed_chunks_are_joined_and_forged_chunks_are_refused(port: int, trailer: bool) -> None:
    chunks, s3 = ChunkedUpload(port, trailer), s3_client(port)
    assert chunks.put("/artifacts/one", b"a" * 70_000, b"b")[0] == 200
    assert s3.get_object(Bucket="artifacts", Key="one")["Body"].read() == b"a" * 70_000 + b"b"
    assert chunks.put("/artifacts/empty")[0] == 200
    for refused, what in (
        (chunks.put("/artifacts/one", b"honest", forge=b"forged"), b"SignatureDoesNotMatch"),
        (chunks.put("/artifacts/one", b"honest", length=7), b"IncompleteBody"),
        (
            chunks.put("/artifacts/one", b"honest", forge=b"more than it says"),
            b"SignatureDoesNotMatch",
        ),
        (chunks.put("/artifacts/one", b"honest", forge=b"less"), b"SignatureDoesNotMatch"),
    ):
        assert what in refused[1], refused
    if trailer:
        assert b"BadDigest" in chunks.put("/artifacts/one", b"honest", checksum="AAAAAA==")[1]
    assert s3.get_object(Bucket="artifacts", Key="one")["Body"].read() == b"a" * 70_000 + b"b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"5\r\nab",
        b"-1\r\n\r\n",
        b"ffffffffffffffff\r\nx",
        b"5;x=y\r\nabcde",
        b"1" * 300,
        b"2\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_malformed_chunks_are_refused(port: int, body: bytes) -> None:
    s3 = s3_client(port)
    request = {
        "Host": f"artifacts.nyc3.spaces.test.internal:{port}",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
    target = s3.generate_presigned_url(
        "put_object", Params={"Bucket": "artifacts", "Key": "one"}
    ).partition(f":{port}")[2]
    status, answer = RawClient(port).unsigned("PUT", target, request, body)
    assert status in (400, 403), answer
    assert error_code(s3.head_object, Bucket="artifacts", Key="one") == "404"


def test_a_presigned_url_from_the_future_is_refused() -> None:
    later = (datetime.now(UTC) + timedelta(minutes=20)).strftime("%Y%m%dT%H%M%SZ")
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-SignedHeaders=host"
        f"&X-Amz-Expires=60&X-Amz-Date={later}&X-Amz-Signature=x"
    )
    with pytest.raises(S3Error, match="not valid yet"):
        verify(
            Request(method="GET", path="/", query=query, headers={}, body=b""),
            lambda _: None,
            {"us-east-1"},
        )
