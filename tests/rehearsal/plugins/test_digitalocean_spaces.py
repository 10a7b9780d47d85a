"""Buckets and objects of the DigitalOcean emulator against Spaces of the rehearsal cloud."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.config import CloudConfig
from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PluginError
from rehearsal.spaces.server import create_server
from tests.rehearsal.plugins.support.driver import Driver

BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
OBJECT = "digitalocean:index/spacesBucketObject:SpacesBucketObject"
KEYS = {"spacesAccessId": "KEY", "spacesSecretKey": "not/a+secret"}


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run Spaces under host names that resolve, also those of buckets."""
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    config = CloudConfig(
        name="buckets",
        index=0,
        machines="memory",
        port=1,
        token="t",
        spaces_key=KEYS["spacesAccessId"],
        spaces_secret=KEYS["spacesSecretKey"],
    )
    resolve = socket.getaddrinfo

    def resolve_locally(host: str, *rest: object, **more: object) -> object:
        return resolve(
            "127.0.0.1" if host.endswith(f"nyc3.spaces.{config.domain}") else host,
            *rest,  # type: ignore[arg-type]
            **more,  # type: ignore[arg-type]
        )

    monkeypatch.setattr(socket, "getaddrinfo", resolve_locally)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = create_server(config, listener)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://{config.spaces_host}:{listener.getsockname()[1]}"
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def driver(endpoint: str) -> Driver:
    return Driver(PACKAGE, {**KEYS, "spacesEndpoint": endpoint})


def test_bucket_lifecycle(driver: Driver) -> None:
    desired = {"name": "artifacts", "region": "nyc3", "forceDestroy": True}
    bucket, state = driver.create(BUCKET, desired)
    assert bucket == "artifacts"
    assert state["bucketDomainName"] == "artifacts.nyc3.digitaloceanspaces.com"
    assert (state["bucketUrn"], state["versioning"]) == ("do:space:artifacts", {"enabled": False})
    assert driver.diff(BUCKET, state, desired).keys == []
    assert driver.diff(BUCKET, state, {**desired, "region": "ams3"}).replaces == ["region"]

    versioned = {**desired, "versioning": {"enabled": True}}
    state = driver.update(BUCKET, bucket, state, versioned)
    assert driver.diff(BUCKET, state, versioned).keys == []
    driver.create(
        OBJECT, {"bucket": bucket, "region": "nyc3", "key": "left/behind", "content": "x"}
    )

    with pytest.raises(PluginError, match="BucketNotEmpty"):
        driver.delete(BUCKET, bucket, {**state, "forceDestroy": False})
    driver.delete(BUCKET, bucket, state)
    assert driver.read(BUCKET, bucket, state)[0] == ""


def test_object_lifecycle(driver: Driver, tmp_path: Path) -> None:
    driver.create(BUCKET, {"name": "artifacts"})
    source = tmp_path / "backserve.pyz"
    source.write_bytes(bytes(range(256)) * 5000)
    desired = {
        "bucket": "artifacts",
        "region": "nyc3",
        "key": "a b/backserve+1.pyz",
        "acl": "public-read",
        "source": str(source),
    }
    key, state = driver.create(
        OBJECT, {**desired, "contentType": "application/zip", "metadata": {"made-by": "us"}}
    )
    assert key == desired["key"]
    assert (len(state["etag"]), state["contentType"], state["metadata"]) == (
        32,
        "application/zip",
        {"made-by": "us"},
    )
    full = {**desired, "contentType": "application/zip", "metadata": {"made-by": "us"}}
    assert driver.diff(OBJECT, state, full).keys == []
    assert driver.diff(OBJECT, state, {**full, "key": "other"}).replaces == ["key"]

    state = driver.update(OBJECT, key, state, {**full, "acl": "private"})
    assert state["acl"] == "private"
    driver.delete(OBJECT, key, state)
    assert driver.read(OBJECT, key, state)[0] == ""


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"source": "a", "content": "b"}, "conflicts with"),
        ({"content": "b", "metadata": {"Upper": "case"}}, "must be lowercase"),
    ],
)
def test_an_invalid_object_is_refused(
    driver: Driver, inputs: dict[str, object], message: str
) -> None:
    _, failures = driver.check(OBJECT, {"bucket": "b", "region": "nyc3", "key": "k", **inputs})
    assert any(message in failure for failure in failures)


def test_a_wrong_secret_key_is_reported(endpoint: str) -> None:
    wrong = Driver(PACKAGE, {**KEYS, "spacesSecretKey": "wrong", "spacesEndpoint": endpoint})
    with pytest.raises(PluginError, match="403 SignatureDoesNotMatch"):
        wrong.create(BUCKET, {"name": "artifacts"})


def test_missing_credentials_are_reported_with_the_remedy(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    keyless = Driver(PACKAGE, {"spacesEndpoint": endpoint})
    with pytest.raises(PluginError, match="set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY"):
        keyless.create(BUCKET, {"name": "artifacts"})


def test_an_unknown_region_is_refused(driver: Driver) -> None:
    assert (
        "expected region to be one of"
        in driver.check(BUCKET, {"name": "b", "region": "mars1"})[1][0]
    )
