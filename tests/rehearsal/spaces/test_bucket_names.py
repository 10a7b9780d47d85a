"""Host names of buckets: a bucket that a client names in a path resolves on this machine."""

import threading
from pathlib import Path

import pytest

from infra.digitalocean_api import spaces_key_refusal
from rehearsal.network import hosts_file
from tests.rehearsal.support.small_spaces import (
    KEY,
    SECRET,
    error_code,
    make_cloud,
    s3_client,
    serve_spaces,
)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /etc/hosts, with one line."""
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    monkeypatch.setattr(hosts_file, "HOSTS_FILE", file)
    return file


def test_bucket_in_the_path_of_a_request_gets_a_host_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program asks for its bucket before the provider creates it by its host name."""
    buckets: list[str] = []
    with serve_spaces(make_cloud(tmp_path, monkeypatch), buckets.append) as port:
        by_path, by_host = s3_client(port, style="path"), s3_client(port)
        by_host.create_bucket(Bucket="first")
        assert buckets == []
        assert error_code(by_path.get_bucket_location, Bucket="second") == "NoSuchBucket"
        by_path.get_bucket_location(Bucket="first")
        by_path.get_bucket_location(Bucket="first")
        wrong = s3_client(port, secret="wrong", style="path")
        assert error_code(wrong.get_bucket_location, Bucket="third") == "SignatureDoesNotMatch"
        by_path.list_buckets()
    assert buckets == ["second", "first"]


def test_program_names_its_bucket_in_the_path_and_learns_whether_its_key_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets: list[str] = []
    with serve_spaces(make_cloud(tmp_path, monkeypatch), buckets.append) as port:
        url = f"http://nyc3.spaces.test.internal:{port}/artifacts"
        assert spaces_key_refusal(url, KEY, SECRET) == ""
        assert spaces_key_refusal(url, KEY, "wrong") == "SignatureDoesNotMatch"
        assert spaces_key_refusal(url, "wrong", SECRET) == "InvalidAccessKeyId"
    assert spaces_key_refusal(url, KEY, SECRET) == ""
    assert buckets == ["artifacts"]


def test_clouds_that_add_names_at_the_same_time_keep_each_others(
    hosts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_cloud(tmp_path, monkeypatch)
    clouds = [config.model_copy(update={"name": f"cloud{number}"}) for number in range(8)]
    threads = [
        threading.Thread(target=hosts_file.add_bucket_names, args=(cloud, ["bucket"]))
        for cloud in clouds
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cloud in clouds:
        assert f"bucket.ams3.spaces.{cloud.domain}" in hosts_file.read_names(cloud.name)
        hosts_file.remove_names(cloud.name)
    assert hosts.read_text() == "127.0.0.1 localhost\n"
