"""Each update asks for a stored object as a worker does, and stores it again if it must."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import ConfigureRequest
from pulumi.dynamic.config import Config
from pulumi.runtime.rpc import UNKNOWN

from infra.artifacts.public_object import DownloadError, PublicObjectProvider
from tests.rehearsal.plugins.support.service import Call, Reply, Service

CONTENT, ETAG = b"packed", hashlib.md5(b"packed", usedforsecurity=False).hexdigest()


class Bucket:
    """A bucket with one object."""

    def __init__(self) -> None:
        self.status = 200
        self.etag = ETAG
        self.accepts = True
        self.stored: list[Call] = []

    def answer(self, call: Call) -> Reply:
        if call.method == "PUT":
            self.stored.append(call)
            if self.accepts:
                self.status, self.etag = 200, ETAG
            return Reply(headers={"ETag": f'"{ETAG}"'})
        return Reply(self.status, headers={"ETag": f'"{self.etag}"'})


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def spaces(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service(bucket.answer) as service:
        monkeypatch.setenv("SPACES_ENDPOINT_URL", service.url)
        monkeypatch.setenv("SPACES_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("SPACES_SECRET_ACCESS_KEY", "secret")
        yield service


@pytest.fixture
def props(spaces: Service, tmp_path: Path) -> dict[str, Any]:
    source = tmp_path / "web.pyz"
    source.write_bytes(CONTENT)
    return {
        "url": f"{spaces.url}/ours/web.pyz",
        "bucket": "ours",
        "region": "nyc3",
        "key": "web.pyz",
        "etag": ETAG,
        "source": str(source),
    }


@pytest.fixture
def provider() -> PublicObjectProvider:
    made = PublicObjectProvider()
    made.configure(ConfigureRequest(Config({}, "slipway")))
    return made


def test_an_object_that_can_be_downloaded_is_left_alone(
    bucket: Bucket, props: dict[str, Any], provider: PublicObjectProvider
) -> None:
    assert provider.create(props).outs == props
    assert not provider.diff("url", props, {**props, "source": "/elsewhere/web.pyz"}).changes
    assert bucket.stored == []


@pytest.mark.parametrize(("status", "etag"), [(403, ETAG), (404, ETAG), (200, "other")])
def test_an_object_that_is_private_lost_or_another_is_stored_again(
    bucket: Bucket,
    props: dict[str, Any],
    provider: PublicObjectProvider,
    capsys: pytest.CaptureFixture[str],
    status: int,
    etag: str,
) -> None:
    bucket.status, bucket.etag = status, etag
    assert provider.diff("url", props, props).changes
    assert f"{props['url']} cannot be downloaded: " in capsys.readouterr().out
    provider.update("url", props, props)
    [stored] = bucket.stored
    assert stored.headers["x-amz-acl"] == "public-read"
    assert stored.path == "/ours/web.pyz"
    assert not provider.diff("url", props, props).changes


def test_an_object_that_stays_private_is_an_error(
    bucket: Bucket, props: dict[str, Any], provider: PublicObjectProvider
) -> None:
    bucket.status, bucket.accepts = 403, False
    with pytest.raises(DownloadError, match=r"web\.pyz cannot be downloaded: status 403"):
        provider.update("url", props, props)


def test_a_preview_needs_no_spaces(
    spaces: Service,
    props: dict[str, Any],
    provider: PublicObjectProvider,
    capsys: pytest.CaptureFixture[str],
) -> None:
    silent = {**props, "url": "http://127.0.0.1:1/ours/web.pyz"}
    assert not provider.diff("url", silent, silent).changes
    assert "not checked: ConnectionError" in capsys.readouterr().out
    assert not provider.diff("url", props, {**props, "bucket": UNKNOWN}).changes
    assert spaces.calls == []


def test_another_url_is_another_object(
    props: dict[str, Any], provider: PublicObjectProvider
) -> None:
    found = provider.diff("url", {**props, "url": "http://former/ours/web.pyz"}, props)
    assert (found.changes, found.replaces) == (True, ["url"])
