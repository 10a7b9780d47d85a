"""The command ``spaces``: Spaces of a cloud without a network, on a loopback port, by path only."""

import contextlib
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_s3 import S3Client

from rehearsal.config import CloudConfig
from tests.rehearsal.support.small_spaces import (
    KEY,
    SECRET,
    error_code,
    location_constraint,
    make_cloud,
)

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "rehearsal", "spaces", "--cloud", "test"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    return make_cloud(tmp_path, monkeypatch)


@contextlib.contextmanager
def running_command() -> Iterator[tuple[subprocess.Popen[str], S3Client]]:
    with subprocess.Popen(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                assert selector.select(60), "Spaces does not start"
            name, _, address = process.stdout.readline().strip().partition("=")
            assert name == "export SPACES_ENDPOINT_URL"
            client_config = Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}
            )
            yield (
                process,
                boto3.client(
                    "s3",
                    endpoint_url=address,
                    region_name="nyc3",
                    aws_access_key_id=KEY,
                    aws_secret_access_key=SECRET,
                    config=client_config,
                ),
            )
        finally:
            process.kill()


def test_one_address_serves_all_regions(config: CloudConfig) -> None:
    with running_command() as (process, s3):
        s3.create_bucket(Bucket="here")
        s3.create_bucket(Bucket="there", CreateBucketConfiguration=location_constraint("ams3"))
        nowhere = {"LocationConstraint": "mars1"}
        result = error_code(s3.create_bucket, Bucket="nowhere", CreateBucketConfiguration=nowhere)
        assert result == "InvalidLocationConstraint"
        for bucket, region in (("here", "nyc3"), ("there", "ams3")):
            assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == region
            s3.put_object(Bucket=bucket, Key="one", Body=region.encode())
            assert s3.get_object(Bucket=bucket, Key="one")["Body"].read() == region.encode()
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["here", "there"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with running_command() as (_, s3):
        assert s3.get_object(Bucket="there", Key="one")["Body"].read() == b"ams3"


def test_a_second_process_cannot_serve_the_same_spaces(config: CloudConfig) -> None:
    with running_command():
        second = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (second.returncode, second.stderr) == (
        1,
        "Another process serves the Spaces of cloud test already.\n",
    )


def test_a_cloud_with_a_network_is_refused(config: CloudConfig) -> None:
    config.model_copy(update={"machines": "nspawn"}).save()
    result = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (
        2,
        "Cloud test serves its Spaces itself: see SPACES_ENDPOINT_URL "
        "in `python -m rehearsal env --cloud test`.\n",
    )
