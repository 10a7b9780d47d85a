"""Durability of Spaces: acknowledged changes survive a full disk and a killed process."""

import contextlib
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from mypy_boto3_s3 import S3Client

from rehearsal.config import CloudConfig
from rehearsal.spaces import bucket_store
from tests.rehearsal.support.small_spaces import (
    LARGE,
    error_code,
    make_cloud,
    s3_client,
    serve_spaces,
    spaces_process,
)

OBJECT_BYTES = 200_000
"""Size of the objects that fill the small disk."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    return make_cloud(tmp_path, monkeypatch)


@pytest.fixture
def small_disk(config: CloudConfig) -> Iterator[Path]:
    """Mount a file system of 4 MiB for the directory of Spaces."""
    directory = config.directory / "spaces"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def body(number: int) -> bytes:
    return random.Random(number).randbytes(OBJECT_BYTES)


def test_a_full_disk_loses_nothing_that_was_acknowledged(
    config: CloudConfig, small_disk: Path
) -> None:
    with serve_spaces(config) as port:
        s3 = s3_client(port)
        s3.create_bucket(Bucket="artifacts")
        s3.put_object(Bucket="artifacts", Key="first", Body=b"as it was")
        stored = _fill_disk(s3)
        assert 5 < stored < 20
        assert (
            error_code(s3.put_object, Bucket="artifacts", Key="first", Body=LARGE)
            == "ServiceUnavailable"
        )
        _assert_unchanged(s3, stored)
    with serve_spaces(config) as port:
        s3 = s3_client(port)
        _assert_unchanged(s3, stored)
        for number in range(stored):
            s3.delete_object(Bucket="artifacts", Key=f"{number}")
        s3.put_object(Bucket="artifacts", Key="first", Body=LARGE[:OBJECT_BYTES])
        assert s3.get_object(Bucket="artifacts", Key="first")["Body"].read() == LARGE[:OBJECT_BYTES]


def _fill_disk(s3: S3Client) -> int:
    """Store objects until the disk is full and return their number."""
    for number in range(100):
        try:
            s3.put_object(Bucket="artifacts", Key=f"{number}", Body=body(number))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable"
            return number
    raise AssertionError("the disk is never full")


def _assert_unchanged(s3: S3Client, stored: int) -> None:
    """Assert that exactly the acknowledged objects exist, unchanged."""
    assert {found["Key"] for found in s3.list_objects_v2(Bucket="artifacts")["Contents"]} == {
        "first",
        *map(str, range(stored)),
    }
    assert s3.get_object(Bucket="artifacts", Key="first")["Body"].read() == b"as it was"
    for number in range(stored):
        assert s3.get_object(Bucket="artifacts", Key=f"{number}")["Body"].read() == body(number)


def test_a_killed_process_loses_nothing_that_was_acknowledged(config: CloudConfig) -> None:
    """Kill the process five times while four clients put, replace and delete objects."""
    random_ = random.Random(5)
    acknowledged: dict[str, bytes | None] = {}
    with serve_spaces(config) as port:
        s3_client(port).create_bucket(Bucket="artifacts")
    for round_ in range(5):
        with spaces_process(config) as (served, port):
            clients = [
                threading.Thread(
                    target=_change_objects, args=(port, f"{round_}-{number}", acknowledged)
                )
                for number in range(4)
            ]
            for thread in clients:
                thread.start()
            target = len(acknowledged) + random_.randint(10, 40)
            while len(acknowledged) < target and any(thread.is_alive() for thread in clients):
                clients[0].join(0.01)
            served.kill()
            served.wait()
            for thread in clients:
                thread.join()
        with serve_spaces(config) as port:
            s3 = s3_client(port)
            there = {
                found["Key"] for found in s3.list_objects_v2(Bucket="artifacts").get("Contents", [])
            }
            for key, content in acknowledged.items():
                if content is None:
                    assert key not in there
                else:
                    assert s3.get_object(Bucket="artifacts", Key=key)["Body"].read() == content
        stray = {
            file.name for file in (config.directory / "spaces/contents").iterdir() if file.suffix
        }
        assert not stray


def _change_objects(port: int, prefix: str, acknowledged: dict[str, bytes | None]) -> None:
    """Put each object twice and delete every third until the process is killed.

    Operations without a response are not recorded: their result is unknown.
    """
    s3 = s3_client(port)
    for number in range(1000):
        key = f"{prefix}-{number}"
        try:
            for content in (b"small", os.urandom(20_000)):
                acknowledged.pop(key, None)
                s3.put_object(Bucket="artifacts", Key=key, Body=content)
                acknowledged[key] = content
            if number % 3 == 0:
                acknowledged.pop(key)
                s3.delete_object(Bucket="artifacts", Key=key)
                acknowledged[key] = None
        except (BotoCoreError, ClientError):
            return


def test_a_blob_is_synced_before_the_response(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced before it gets its name, then its directory is synced."""
    synced: list[str] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    with serve_spaces(config) as port:
        s3 = s3_client(port)
        s3.create_bucket(Bucket="artifacts")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", record)
            s3.put_object(Bucket="artifacts", Key="one", Body=LARGE)
    [content] = (config.directory / "spaces/contents").iterdir()
    assert synced == [f"{content.name}.new", "contents"]


def test_a_change_writes_only_the_changed_rows(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of a change must not grow with the number of objects."""
    with serve_spaces(config) as port:
        s3 = s3_client(port)
        s3.create_bucket(Bucket="artifacts")
        for number in range(30):
            s3.put_object(Bucket="artifacts", Key=f"{number}", Body=b"x" * 5000)
        written: list[list[bucket_store.Row]] = []
        write = bucket_store.BucketStore._write_rows

        def record(
            self: bucket_store.BucketStore,
            account: str,
            changed: list[bucket_store.Row],
            removed: list[bucket_store.Row],
        ) -> None:
            written.append([*changed, *removed])
            write(self, account, changed, removed)

        monkeypatch.setattr(bucket_store.BucketStore, "_write_rows", record)
        s3.put_object(Bucket="artifacts", Key="7", Body=b"y")
        s3.put_object_acl(Bucket="artifacts", Key="8", ACL="public-read")
        s3.delete_object(Bucket="artifacts", Key="9")
        s3.put_bucket_acl(Bucket="artifacts", ACL="public-read")
        s3.put_object_tagging(
            Bucket="artifacts", Key="10", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]}
        )
        with contextlib.suppress(ClientError):
            s3.delete_object(Bucket="artifacts", Key="none")
    names = [[(row.kind, row.name) for row in rows] for rows in written]
    assert names == [
        [("object", "7")],
        [("object", "8")],
        [("object", "9")],
        [("bucket", "")],
        [("tags", ""), ("object", "10")],
    ]
