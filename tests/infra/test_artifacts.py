"""Packed services in the artifacts bucket."""

from pathlib import Path

import pulumi
import pytest

from infra.artifacts.artifacts import Artifacts, ArtifactsArgs
from services.packed_service import PackedService
from tests.infra.support.cloud import FakeCloud, run, start

PACKED = [
    PackedService(source="backserve", path=Path("/a/backserve.pyz"), sha256="b" * 64, md5="b" * 32),
    PackedService(
        source="frontserve", path=Path("/a/frontserve.pyz"), sha256="f" * 64, md5="f" * 32
    ),
]


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def program() -> Artifacts:
    args = ArtifactsArgs(
        region="nyc3", bucket="ours", endpoint="http://nyc3.spaces.test", packed=PACKED
    )
    return Artifacts("artifacts", args)


def test_an_object_is_public_and_its_key_is_its_hash(cloud: FakeCloud) -> None:
    run(lambda: pulumi.Output.from_input(program().urls["backserve"]))
    stored = cloud.created["artifacts-backserve"]
    assert (stored["key"], stored["acl"], stored["bucket"]) == (
        f"backserve/{'b' * 64}.pyz",
        "public-read",
        "ours",
    )
    assert stored["source"] == "/a/backserve.pyz"
    assert cloud.created["artifacts-bucket"]["acl"] == "private"


def test_the_url_comes_from_the_endpoint(cloud: FakeCloud) -> None:
    urls: list[str] = []
    run(lambda: program().urls["frontserve"].apply(urls.append))
    public = cloud.created["artifacts-frontserve-public"]
    assert public["url"] == f"http://nyc3.spaces.test/ours/frontserve/{'f' * 64}.pyz"
    assert (public["etag"], public["source"]) == ("f" * 32, "/a/frontserve.pyz")
    assert urls == [public["url"]], "known in a preview, as an id"


def test_the_checksum_does_not_depend_on_a_resource() -> None:
    checksums = [packed.checksum for packed in PACKED]
    assert checksums == [f"sha256:{'b' * 64}", f"sha256:{'f' * 64}"]


def test_old_objects_are_kept_and_the_local_path_is_ignored(cloud: FakeCloud) -> None:
    run(lambda: pulumi.Output.from_input(program().urls["backserve"]))
    request = cloud.requests["artifacts-backserve"]
    assert (request.retainOnDelete, list(request.ignoreChanges)) == (True, ["source"])
    assert cloud.created["artifacts-bucket"]["forceDestroy"] is True
