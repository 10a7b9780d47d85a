"""Permissions in Spaces: of keys by their grants, between accounts, and of anonymous clients."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.state import accounts
from tests.rehearsal.support.client import UNLIMITED, running
from tests.rehearsal.support.small_spaces import (
    client_of,
    error_code,
    make_cloud,
    publish_keys,
    s3_client,
    serve_spaces,
)

Operation = Callable[[S3Client], Any]

READ_OPERATIONS: dict[str, Operation] = {
    "get": lambda s3: s3.get_object(Bucket="own", Key="one"),
    "head": lambda s3: s3.head_object(Bucket="own", Key="one"),
    "head bucket": lambda s3: s3.head_bucket(Bucket="own"),
    "list": lambda s3: s3.list_objects_v2(Bucket="own", Prefix="o"),
    "list as of old": lambda s3: s3.list_objects(Bucket="own"),
    "list versions": lambda s3: s3.list_object_versions(Bucket="own"),
    "location": lambda s3: s3.get_bucket_location(Bucket="own"),
}
WRITE_OPERATIONS: dict[str, Operation] = {
    "put": lambda s3: s3.put_object(Bucket="own", Key="two", Body=b"2"),
    "copy": lambda s3: s3.copy_object(Bucket="own", Key="copy", CopySource="own/one"),
    "delete": lambda s3: s3.delete_object(Bucket="own", Key="two"),
    "delete many": lambda s3: s3.delete_objects(Bucket="own", Delete={"Objects": [{"Key": "two"}]}),
    "multipart": lambda s3: s3.create_multipart_upload(Bucket="own", Key="parts"),
    "object acl": lambda s3: s3.put_object_acl(Bucket="own", Key="one", ACL="private"),
    "read object acl": lambda s3: s3.get_object_acl(Bucket="own", Key="one"),
}
ADMIN_OPERATIONS: dict[str, Operation] = {
    "list buckets": lambda s3: s3.list_buckets(),
    "create": lambda s3: s3.create_bucket(Bucket="new"),
    "delete bucket": lambda s3: s3.delete_bucket(Bucket="empty"),
    "bucket acl": lambda s3: s3.put_bucket_acl(Bucket="own", ACL="private"),
    "read bucket acl": lambda s3: s3.get_bucket_acl(Bucket="own"),
    "versioning": lambda s3: s3.put_bucket_versioning(
        Bucket="own", VersioningConfiguration={"Status": "Suspended"}
    ),
    "lifecycle": lambda s3: s3.get_bucket_versioning(Bucket="own"),
    "cors": lambda s3: s3.delete_bucket_cors(Bucket="own"),
    "delete lifecycle": lambda s3: s3.delete_bucket_lifecycle(Bucket="own"),
}
ALL_OPERATIONS = {**READ_OPERATIONS, **WRITE_OPERATIONS, **ADMIN_OPERATIONS}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    return make_cloud(tmp_path, monkeypatch)


@pytest.fixture
def port(config: CloudConfig) -> Iterator[int]:
    """Serve the buckets ``own``, ``empty`` and ``other`` of the default account.

    The buckets ``own`` and ``other`` have one object each.
    """
    publish_keys(
        config,
        reader=("default", [("own", "read"), ("empty", "read")]),
        writer=("default", [("own", "readwrite")]),
        full=("default", [("", "fullaccess")]),
        nothing=("default", []),
        revoked=("default", [("own", "")]),
        elsewhere=("default", [("other", "readwrite")]),
        stranger=("acme", [("", "fullaccess")]),
        pretender=("acme", [("own", "readwrite")]),
    )
    with serve_spaces(config) as port:
        s3 = s3_client(port)
        for bucket in ("own", "empty", "other"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="own", Key="one", Body=b"1")
        s3.put_object(Bucket="other", Key="secret", Body=b"2")
        yield port


@pytest.mark.parametrize("operation", ALL_OPERATIONS)
def test_a_key_may_do_exactly_what_its_grants_permit(port: int, operation: str) -> None:
    may = {
        "reader": READ_OPERATIONS,
        "writer": {**READ_OPERATIONS, **WRITE_OPERATIONS},
        "full": ALL_OPERATIONS,
    }
    for key in ("nothing", "revoked", "elsewhere", "reader", "writer", "full"):
        if operation in may.get(key, {}):
            ALL_OPERATIONS[operation](client_of(port, key))
        else:
            assert error_code(ALL_OPERATIONS[operation], client_of(port, key)) in (
                "AccessDenied",
                "403",
            ), key


@pytest.mark.parametrize(
    "operation",
    [operation for operation in ALL_OPERATIONS if operation not in ("list buckets", "create")],
)
def test_another_accounts_bucket_is_denied(port: int, operation: str) -> None:
    for key in ("stranger", "pretender"):
        assert error_code(ALL_OPERATIONS[operation], client_of(port, key)) in (
            "AccessDenied",
            "403",
        ), key


def test_bucket_names_are_global_and_listings_are_per_account_and_region(port: int) -> None:
    stranger = client_of(port, "stranger")
    assert error_code(stranger.create_bucket, Bucket="own") == "BucketAlreadyExists"
    assert (
        error_code(client_of(port, "full").create_bucket, Bucket="own") == "BucketAlreadyOwnedByYou"
    )
    assert error_code(client_of(port, "writer").create_bucket, Bucket="own") == "AccessDenied"
    assert error_code(stranger.list_objects_v2, Bucket="nowhere") == "NoSuchBucket"
    stranger.create_bucket(Bucket="theirs")
    client_of(port, "stranger", region="ams3").create_bucket(Bucket="theirs-elsewhere")
    assert [bucket["Name"] for bucket in stranger.list_buckets()["Buckets"]] == ["theirs"]
    assert [bucket["Name"] for bucket in s3_client(port).list_buckets()["Buckets"]] == [
        "empty",
        "other",
        "own",
    ]
    assert error_code(s3_client(port).delete_bucket, Bucket="theirs") == "AccessDenied"


def test_a_recreated_bucket_denies_its_former_owner(port: int) -> None:
    s3_client(port).delete_bucket(Bucket="empty")
    client_of(port, "stranger").create_bucket(Bucket="empty")
    client_of(port, "stranger").put_object(Bucket="empty", Key="one", Body=b"1")
    for key in ("reader", "full"):
        assert (
            error_code(client_of(port, key).get_object, Bucket="empty", Key="one") == "AccessDenied"
        )


def test_bucket_ownership_survives_a_restart(config: CloudConfig) -> None:
    publish_keys(config, stranger=("acme", [("", "fullaccess")]))
    with serve_spaces(config) as port:
        client_of(port, "stranger").create_bucket(Bucket="theirs")
    with serve_spaces(config) as port:
        assert [
            bucket["Name"] for bucket in client_of(port, "stranger").list_buckets()["Buckets"]
        ] == ["theirs"]
        assert error_code(s3_client(port).list_objects_v2, Bucket="theirs") == "AccessDenied"
        assert error_code(s3_client(port).create_bucket, Bucket="theirs") == "BucketAlreadyExists"


def _with_copy_source(source: str) -> Callable[..., None]:
    """Return a handler that sets x-amz-copy-source to exactly ``source``."""

    def set_copy_source(request: Any, **_: object) -> None:
        del request.headers["x-amz-copy-source"]
        request.headers["x-amz-copy-source"] = source

    return set_copy_source


def test_copying_needs_read_permission_for_the_source(port: int) -> None:
    grants = {"stranger": "own/one", "writer": "other/secret", "elsewhere": "own/one"}
    client_of(port, "stranger").create_bucket(Bucket="theirs")
    own = {"stranger": "theirs", "writer": "own", "elsewhere": "other"}
    for key, source in grants.items():
        for copy_source in (
            source,
            f"/{source}",
            source.replace("/", "%2F"),
            f"{source}?versionId=null",
        ):
            s3 = client_of(port, key)
            s3.meta.events.register("before-sign.s3", _with_copy_source(copy_source))
            copy = partial(s3.copy_object, Bucket=own[key], Key="stolen", CopySource="x/y")
            assert error_code(copy) == "AccessDenied", (key, copy_source)
        assert "Contents" not in client_of(port, key).list_objects_v2(
            Bucket=own[key], Prefix="stolen"
        )
    upload = client_of(port, "stranger").create_multipart_upload(Bucket="theirs", Key="parts")[
        "UploadId"
    ]
    part = {
        "Bucket": "theirs",
        "Key": "parts",
        "UploadId": upload,
        "PartNumber": 1,
        "CopySource": "own/one",
    }
    assert error_code(client_of(port, "stranger").upload_part_copy, **part) == "AccessDenied"
    s3_client(port).put_object_acl(Bucket="own", Key="one", ACL="public-read")
    client_of(port, "stranger").copy_object(Bucket="theirs", Key="taken", CopySource="own/one")
    assert (
        client_of(port, "stranger").get_object(Bucket="theirs", Key="taken")["Body"].read() == b"1"
    )


def test_other_accounts_may_only_read_public_objects(port: int) -> None:
    s3 = s3_client(port)
    s3.put_object_acl(Bucket="own", Key="one", ACL="public-read")
    for key in ("stranger", "nothing"):
        assert client_of(port, key).get_object(Bucket="own", Key="one")["Body"].read() == b"1"
        assert (
            error_code(client_of(port, key).put_object, Bucket="own", Key="one", Body=b"")
            == "AccessDenied"
        )
        assert error_code(client_of(port, key).list_objects_v2, Bucket="own") == "AccessDenied"
    s3.put_bucket_acl(Bucket="own", ACL="public-read")
    assert client_of(port, "stranger").list_objects_v2(Bucket="own")["KeyCount"] == 1
    listing = f"http://own.nyc3.spaces.test.internal:{port}/"
    with urllib.request.urlopen(f"{listing}?list-type=2&prefix=o") as answer:
        assert b"<Key>one</Key>" in answer.read()
    for closed in ("?acl", "?policy", "?versions&acl"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{listing}{closed}")


def test_a_deleted_key_is_refused_from_the_moment_it_is_deleted(
    config: CloudConfig, port: int
) -> None:
    with running(config, MemoryMachines(config), UNLIMITED) as api:
        for _ in range(5):
            key = api(
                "POST",
                "/v2/spaces/keys",
                {"name": "k", "grants": [{"bucket": "own", "permission": "read"}]},
                201,
            )["key"]
            s3 = s3_client(port, key=key["access_key"], secret=key["secret_key"])
            assert s3.get_object(Bucket="own", Key="one")["Body"].read() == b"1"
            assert error_code(s3.put_object, Bucket="own", Key="two", Body=b"2") == "AccessDenied"
            path = f"/v2/spaces/keys/{key['access_key']}"
            api("PATCH", path, {"grants": [{"bucket": "own", "permission": "readwrite"}]})
            s3.put_object(Bucket="own", Key="two", Body=b"2")
            address = s3.generate_presigned_url(
                "get_object", Params={"Bucket": "own", "Key": "one"}
            )
            with urllib.request.urlopen(address) as answer:
                assert answer.read() == b"1"
            api("DELETE", path, expect=204)
            assert error_code(s3.get_object, Bucket="own", Key="one") == "InvalidAccessKeyId"
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(address)


def test_an_account_created_later_has_its_own_buckets(config: CloudConfig, port: int) -> None:
    acme = accounts.create_or_update(config, "acme", {})
    s3 = s3_client(port, key=acme.spaces_key, secret=acme.spaces_secret)
    s3.create_bucket(Bucket="theirs")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["theirs"]
    assert error_code(s3.get_object, Bucket="own", Key="one") == "AccessDenied"


def test_files_with_secrets_are_readable_by_root_only(config: CloudConfig, port: int) -> None:
    """The file or its directory is not accessible to other users."""
    files_with_secrets = [
        file
        for file in config.directory.rglob("*")
        if file.is_file() and b"secret-" in file.read_bytes()
    ]
    assert files_with_secrets
    for file in files_with_secrets:
        assert file.stat().st_mode & 0o077 == 0 or config.directory.stat().st_mode & 0o077 == 0
