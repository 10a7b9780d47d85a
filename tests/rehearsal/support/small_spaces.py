"""Spaces on a loopback port, with clients. Run as a module, it is a separate process."""

import contextlib
import http.client
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, cast

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client
from mypy_boto3_s3.type_defs import CreateBucketConfigurationTypeDef

from rehearsal.config import CloudConfig
from rehearsal.spaces.server import create_server
from rehearsal.state import spaces_key_file
from rehearsal.state.records import Grant

KEY, SECRET = "DO00EXAMPLE", "not/a+secret"
Style = Literal["virtual", "path"]
LARGE = bytes(range(256)) * 12_000
"""Three megabytes, for which clients send the Expect header first."""


def make_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    """Save a cloud's configuration and isolate this process from the machine's AWS settings.

    The host names of Spaces resolve to the loopback address.
    """
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    for name in ("AWS_CA_BUNDLE", "AWS_PROFILE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    resolve = socket.getaddrinfo

    def resolve_locally(host: str, *rest: object, **options: object) -> object:
        return resolve(
            "127.0.0.1" if str(host).endswith(".spaces.test.internal") else host,
            *rest,  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )

    monkeypatch.setattr(socket, "getaddrinfo", resolve_locally)
    config = CloudConfig(
        name="test",
        index=0,
        machines="memory",
        port=1,
        token="t",
        spaces_key=KEY,
        spaces_secret=SECRET,
    )
    config.save()
    return config


def publish_keys(config: CloudConfig, **granted: tuple[str, list[tuple[str, str]]]) -> None:
    """Publish keys, each with its account and its (bucket, permission) grants.

    The secret of the key NAME is ``secret-NAME``.
    """
    keys = {
        name: spaces_key_file.Key(
            account=account,
            secret=f"secret-{name}",
            grants=[
                Grant.model_validate({"bucket": bucket, "permission": permission})
                for bucket, permission in grants
            ],
        )
        for name, (account, grants) in granted.items()
    }
    spaces_key_file.publish(config, keys)


@contextlib.contextmanager
def serve_spaces(
    config: CloudConfig, on_bucket: Callable[[str], None] | None = None
) -> Iterator[int]:
    """Serve Spaces in this process, loaded from disk on every entry, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = create_server(config, listener, on_bucket=on_bucket)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@contextlib.contextmanager
def spaces_process(config: CloudConfig) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve Spaces in a separate process; yield the process and the port."""
    environment = {**os.environ, "SLIPWAY_STATE": os.environ["SLIPWAY_STATE"]}
    command = [sys.executable, "-m", "tests.rehearsal.support.small_spaces", config.name]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[3],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        try:
            assert served.stdout is not None
            with selectors.DefaultSelector() as selector:
                selector.register(served.stdout, selectors.EVENT_READ)
                assert selector.select(60), "Spaces does not start"
            yield served, int(served.stdout.readline())
        finally:
            served.kill()


def s3_client(
    port: int,
    key: str = KEY,
    secret: str = SECRET,
    style: Style = "virtual",
    region: str = "nyc3",
    signing: str = "us-east-1",
    **options: object,
) -> S3Client:
    client_config = Config(
        s3={"addressing_style": style},
        retries={"total_max_attempts": 1},
        signature_version="s3v4",
        **options,  # type: ignore[arg-type]
    )
    endpoint = f"http://{region}.spaces.test.internal:{port}"
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=signing,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=client_config,
    )


def location_constraint(region: str) -> CreateBucketConfigurationTypeDef:
    """Return a bucket configuration for a Spaces region, which the types of S3 do not list."""
    return cast("CreateBucketConfigurationTypeDef", {"LocationConstraint": region})


def client_of(port: int, name: str, **options: str) -> S3Client:
    """Return a client with a key of ``publish_keys``."""
    return s3_client(port, key=name, secret=f"secret-{name}", **options)  # type: ignore[arg-type]


def error_code(operation: Callable[..., object], *args: object, **kwargs: object) -> str:
    """Call ``operation``, which must fail, and return the S3 error code.

    The error of a HEAD request has no code; its code is the HTTP status.
    """
    with pytest.raises(ClientError) as caught:
        operation(*args, **kwargs)
    return str(caught.value.response["Error"]["Code"])


class RawClient:
    """Sends requests unchanged, including those that boto3 would reject or normalise."""

    def __init__(self, port: int, key: str = KEY, secret: str = SECRET) -> None:
        self._port = port
        self._credentials = Credentials(key, secret)

    def __call__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        signed: bool = True,
        host: str = "",
    ) -> tuple[int, bytes]:
        host = host or f"nyc3.spaces.test.internal:{self._port}"
        sent = {**(headers or {}), "Host": host}
        if signed:
            request = AWSRequest(method, f"http://{host}{path}", headers=sent, data=body)
            S3SigV4Auth(self._credentials, "s3", "us-east-1").add_auth(request)
            sent = dict(request.headers.items())
        return self.unsigned(method, path, sent, body)

    def unsigned(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, bytes]:
        """Send a request without adding a signature; Content-Length is added if missing."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _main() -> None:
    config = CloudConfig.load(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = create_server(config, listener)
        print(listener.getsockname()[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    _main()
