"""Spaces over HTTP: signatures, anonymous reads, addressing styles and restarts."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rehearsal.config import CloudConfig
from rehearsal.spaces.errors import S3Error
from rehearsal.spaces.signature import Request, verify
from tests.rehearsal.support.small_spaces import (
    KEY,
    LARGE,
    SECRET,
    Style,
    error_code,
    location_constraint,
    make_cloud,
    s3_client,
    serve_spaces,
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    return make_cloud(tmp_path, monkeypatch)


@pytest.fixture
def port(config: CloudConfig) -> Iterator[int]:
    with serve_spaces(config) as port:
        yield port


def url(port: int, bucket: str, path: str) -> str:
    return f"http://{bucket}.nyc3.spaces.test.internal:{port}/{path}"


def status(
    address: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    data: bytes | None = None,
) -> int:
    """Return the status of a request without a signature other than in URL or headers."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, method=method, headers=headers or {}, data=data)
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("style", ["virtual", "path"])
@pytest.mark.parametrize("signing", ["us-east-1", "nyc3"])
def test_an_object_is_returned_as_it_was_stored(port: int, style: Style, signing: str) -> None:
    s3 = s3_client(port, style=style, signing=signing)
    s3.create_bucket(Bucket="artifacts")
    for key, body in (("backserve/a b+c%d/ü.pyz", b"content"), ("large", LARGE), ("empty", b"")):
        put = s3.put_object(
            Bucket="artifacts",
            Key=key,
            Body=body,
            Metadata={"under_scored": "yes", "dashed-one": "a  b"},
        )
        got = s3.get_object(Bucket="artifacts", Key=key)
        assert got["Body"].read() == body
        assert got["Metadata"]["under_scored"] == "yes"
        assert got["ETag"] == put["ETag"]
        assert got["ETag"].startswith('"')
    assert s3.list_objects_v2(Bucket="artifacts", Prefix="l")["KeyCount"] == 1
    s3.delete_object(Bucket="artifacts", Key="large")
    assert error_code(s3.head_object, Bucket="artifacts", Key="large") == "404"


def test_both_styles_reach_the_same_bucket(port: int) -> None:
    s3_client(port, style="virtual").create_bucket(Bucket="artifacts")
    s3_client(port, style="path").put_object(Bucket="artifacts", Key="one", Body=b"1")
    assert (
        s3_client(port, style="virtual").get_object(Bucket="artifacts", Key="one")["Body"].read()
        == b"1"
    )


@pytest.mark.parametrize("constraint", [None, "nyc3"])
def test_a_bucket_is_in_the_region_of_its_endpoint_only(port: int, constraint: str | None) -> None:
    s3 = s3_client(port)
    if constraint:
        s3.create_bucket(
            Bucket="artifacts",
            CreateBucketConfiguration=location_constraint(constraint),
        )
    else:
        s3.create_bucket(Bucket="artifacts")
    location: Mapping[str, object] = s3.get_bucket_location(Bucket="artifacts")
    assert location["LocationConstraint"] == "nyc3"
    elsewhere = s3_client(port, region="ams3")
    assert error_code(elsewhere.list_objects_v2, Bucket="artifacts") == "NoSuchBucket"
    assert error_code(elsewhere.create_bucket, Bucket="artifacts") == "BucketAlreadyOwnedByYou"
    wrong = {"LocationConstraint": "sfo3"}
    assert (
        error_code(s3.create_bucket, Bucket="other", CreateBucketConfiguration=wrong)
        == "InvalidLocationConstraint"
    )


def test_wrong_key_secret_and_region_have_different_errors(port: int) -> None:
    s3_client(port).create_bucket(Bucket="artifacts")
    s3_client(port).put_object(Bucket="artifacts", Key="one", Body=b"1", ACL="public-read")
    assert (
        error_code(s3_client(port, key="SOMEONE").get_object, Bucket="artifacts", Key="one")
        == "InvalidAccessKeyId"
    )
    assert (
        error_code(s3_client(port, secret="wrong").get_object, Bucket="artifacts", Key="one")
        == "SignatureDoesNotMatch"
    )
    assert (
        error_code(s3_client(port, signing="eu-west-1").get_object, Bucket="artifacts", Key="one")
        == "AuthorizationHeaderMalformed"
    )


def test_anonymous_requests_may_only_read_public_objects(port: int) -> None:
    s3 = s3_client(port)
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="public", Body=b"1", ACL="public-read")
    s3.put_object(Bucket="artifacts", Key="private", Body=b"2")
    with urllib.request.urlopen(url(port, "artifacts", "public")) as answer:
        assert answer.read() == b"1"
    assert status(url(port, "artifacts", "public"), "HEAD") == 200
    for path in ("private", "missing", "", "public?acl"):
        assert status(url(port, "artifacts", path)) == 403, path
    for method, path in (("HEAD", "private"), ("DELETE", "public"), ("POST", "?delete")):
        assert status(url(port, "artifacts", path), method) == 403, (method, path)
    assert status(url(port, "artifacts", "new"), "PUT", data=b"3") == 403
    assert status(url(port, "artifacts", "public"), headers={"Authorization": "Bearer x"}) == 400
    s3.put_object_acl(Bucket="artifacts", Key="public", ACL="private")
    assert status(url(port, "artifacts", "public")) == 403


def test_a_presigned_url_works_until_it_expires_or_is_modified(port: int) -> None:
    s3 = s3_client(port)
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="a b", Body=b"1")
    good = s3.generate_presigned_url(
        "get_object", Params={"Bucket": "artifacts", "Key": "a b"}, ExpiresIn=60
    )
    with urllib.request.urlopen(good) as answer:
        assert answer.read() == b"1"
    assert status(good.replace("X-Amz-Expires=60", "X-Amz-Expires=61")) == 403
    assert status(good.replace("a%20b", "other")) == 403
    assert status(good.split("&X-Amz-Signature")[0]) == 400
    request = Request(
        method="GET",
        path="/a%20b",
        query=good.partition("?")[2],
        headers={"host": good.split("/")[2]},
        body=b"",
    )
    verify(request, {KEY: SECRET}.get, {"us-east-1"})
    with pytest.raises(S3Error, match="expired"):
        verify(
            request, {KEY: SECRET}.get, {"us-east-1"}, now=datetime.now(UTC) + timedelta(seconds=61)
        )


def test_a_body_that_does_not_match_the_signed_hash_is_refused(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = s3_client(port)
    s3.create_bucket(Bucket="artifacts")

    def swap(request: object, **_: object) -> None:
        request.body = b"forged"  # type: ignore[attr-defined]

    s3.meta.events.register("before-send.s3.PutObject", swap)
    assert (
        error_code(s3.put_object, Bucket="artifacts", Key="one", Body=b"honest")
        == "XAmzContentSHA256Mismatch"
    )


def test_all_state_survives_a_restart(config: CloudConfig) -> None:
    with serve_spaces(config) as port:
        s3 = s3_client(port)
        s3.create_bucket(Bucket="artifacts", ACL="private")
        s3.put_bucket_versioning(Bucket="artifacts", VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(
            Bucket="artifacts",
            Key="one",
            Body=LARGE,
            ACL="public-read",
            ContentType="application/zip",
            Metadata={"a": "b"},
        )
        second = s3.put_object(Bucket="artifacts", Key="one", Body=b"2", Tagging="stack=dev")
        s3.put_bucket_tagging(Bucket="artifacts", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        upload = s3.create_multipart_upload(Bucket="artifacts", Key="parts")["UploadId"]
        part = s3.upload_part(
            Bucket="artifacts", Key="parts", UploadId=upload, PartNumber=1, Body=LARGE
        )["ETag"]
    with serve_spaces(config) as port:
        s3 = s3_client(port)
        old = s3.get_object(Bucket="artifacts", Key="one", VersionId=first["VersionId"])
        assert (old["Body"].read(), old["ContentType"], old["Metadata"]) == (
            LARGE,
            "application/zip",
            {"a": "b"},
        )
        assert s3.get_object(Bucket="artifacts", Key="one")["VersionId"] == second["VersionId"]
        assert s3.get_object_tagging(Bucket="artifacts", Key="one")["TagSet"] == [
            {"Key": "stack", "Value": "dev"}
        ]
        assert s3.get_bucket_tagging(Bucket="artifacts")["TagSet"] == [{"Key": "k", "Value": "v"}]
        assert status(url(port, "artifacts", f"one?versionId={first['VersionId']}")) == 200
        assert status(url(port, "artifacts", "one")) == 403
        parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
        s3.complete_multipart_upload(
            Bucket="artifacts",
            Key="parts",
            UploadId=upload,
            MultipartUpload=parts,  # type: ignore[arg-type]
        )
        assert s3.get_object(Bucket="artifacts", Key="parts")["Body"].read() == LARGE
        assert error_code(s3.create_bucket, Bucket="artifacts") == "BucketAlreadyOwnedByYou"


def test_deleting_an_object_deletes_its_blob(config: CloudConfig, port: int) -> None:
    s3 = s3_client(port)
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="one", Body=LARGE)
    contents = config.directory / "spaces/contents"
    assert len(list(contents.iterdir())) == 1
    s3.delete_object(Bucket="artifacts", Key="one")
    s3.delete_bucket(Bucket="artifacts")
    assert list(contents.iterdir()) == []


def test_operations_that_would_have_no_effect_are_not_implemented(port: int) -> None:
    s3 = s3_client(port)
    s3.create_bucket(Bucket="artifacts")
    allow_everyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::artifacts/*",
    }
    policy = json.dumps({"Statement": [allow_everyone]})
    for operation in (
        lambda: s3.put_bucket_policy(Bucket="artifacts", Policy=policy),
        lambda: s3.get_bucket_policy(Bucket="artifacts"),
        lambda: s3.delete_bucket_policy(Bucket="artifacts"),
        lambda: s3.put_bucket_website(
            Bucket="artifacts", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
        ),
        lambda: s3.get_bucket_website(Bucket="artifacts"),
        lambda: s3.put_object(Bucket="artifacts", Key="cold", Body=b"1", StorageClass="GLACIER"),
        lambda: s3.create_multipart_upload(
            Bucket="artifacts", Key="cold", StorageClass="DEEP_ARCHIVE"
        ),
    ):
        assert error_code(operation) == "NotImplemented"
    assert s3.list_objects_v2(Bucket="artifacts")["KeyCount"] == 0


def test_an_unknown_host_name_is_refused(port: int) -> None:
    assert status(f"http://127.0.0.1:{port}/artifacts/one") == 400


def test_curl_can_upload_with_expect_100_continue(port: int, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    base = f"http://nyc3.spaces.test.internal:{port}"
    signed = [
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
        "--user",
        f"{KEY}:{SECRET}",
        "--resolve",
        f"nyc3.spaces.test.internal:{port}:127.0.0.1",
    ]
    common = [
        "curl",
        "-sS",
        "-q",
        "--fail-with-body",
        "--noproxy",
        "*",
        "-H",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        *signed,
    ]
    subprocess.run([*common, "-X", "PUT", f"{base}/artifacts"], check=True, capture_output=True)
    subprocess.run(
        [*common, "-T", str(file), "-H", "Expect: 100-continue", f"{base}/artifacts/large"],
        check=True,
        capture_output=True,
    )
    assert s3_client(port).get_object(Bucket="artifacts", Key="large")["Body"].read() == LARGE
