"""Packed services in their bucket."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pytest

from infra.artifacts import Artifacts, ArtifactsArgs
from tests.infra.support.cloud import FakeCloud, run, start


@dataclass(frozen=True)
class Packed:
    name: str
    path: Path
    sha256: str


PACKED = [
    Packed("backserve", Path("/a/backserve.pyz"), "b" * 64),
    Packed("frontserve", Path("/a/frontserve.pyz"), "f" * 64),
]


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def program() -> Artifacts:
    args = ArtifactsArgs(
        region="nyc3", bucket="ours", endpoint="http://nyc3.spaces.test", packages=PACKED
    )
    return Artifacts("artifacts", args)


def test_an_object_is_named_by_its_content_and_readable_by_all(cloud: FakeCloud) -> None:
    run(lambda: pulumi.Output.from_input(program().artifacts["backserve"].url))
    stored = cloud.created["artifacts-backserve"]
    assert (stored["key"], stored["acl"], stored["bucket"]) == (
        f"backserve/{'b' * 64}.pyz",
        "public-read",
        "ours",
    )
    assert stored["source"] == "/a/backserve.pyz"
    assert cloud.created["artifacts-bucket"]["acl"] == "private"


def test_the_url_comes_from_the_endpoint(cloud: FakeCloud) -> None:
    seen: list[str] = []
    run(lambda: program().artifacts["frontserve"].url.apply(seen.append))
    assert seen == [f"http://nyc3.spaces.test/ours/frontserve/{'f' * 64}.pyz"]


def test_the_checksum_is_known_before_anything_is_made(cloud: FakeCloud) -> None:
    checksums: list[str] = []

    def told() -> None:
        checksums.extend(artifact.checksum for artifact in program().artifacts.values())

    run(told)
    assert checksums == [f"sha256:{'b' * 64}", f"sha256:{'f' * 64}"]


def test_a_former_object_stays_and_where_it_was_packed_does_not_matter(cloud: FakeCloud) -> None:
    run(lambda: pulumi.Output.from_input(program().artifacts["backserve"].url))
    request = cloud.asked["artifacts-backserve"]
    assert (request.retainOnDelete, list(request.ignoreChanges)) == (True, ["source"])
    assert cloud.created["artifacts-bucket"]["forceDestroy"] is True
