"""A stored object that anybody can download: a resource that exists while the download works.

The provider reads neither the ACL of an object nor, without a declared ETag, its content. So each
update asks for the object as a worker does, and stores it again if it is not what was packed.

A dynamic provider runs in its own process, and the state contains its module path.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import requests
from pulumi import dynamic

from infra.digitalocean_api import SPACES_TIMEOUT_S, create_spaces_client

ACL = "public-read"
CONTENT_TYPE = "application/zip"


class DownloadError(Exception):
    """Nobody can download the object."""


def find_problem(url: str, etag: str) -> str:
    """Return why nobody can download the object; empty if it can be downloaded as packed.

    Raises:
        requests.RequestException: Spaces does not answer.
    """
    response = requests.head(url, timeout=SPACES_TIMEOUT_S)
    if not response.ok:
        return f"status {response.status_code}"
    return "" if response.headers.get("ETag", "").strip('"') == etag else "it has other content"


class PublicObjectProvider(dynamic.ResourceProvider):
    """Stores the object if it cannot be downloaded. A deletion does nothing."""

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        self._config = req.config

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        self._ensure(props)
        return dynamic.CreateResult(props["url"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Find a change if the object cannot be downloaded. Each machine has its own ``source``."""
        is_new = olds["url"] != news["url"]
        return dynamic.DiffResult(
            changes=is_new or olds["etag"] != news["etag"] or _is_lost(news),
            replaces=["url"] if is_new else [],
            delete_before_replace=False,
        )

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        self._ensure(news)
        return dynamic.UpdateResult(news)

    def _ensure(self, props: Mapping[str, Any]) -> None:
        if not find_problem(props["url"], props["etag"]):
            return
        create_spaces_client(
            props["region"], lambda key: self._config.get(f"digitalocean:{key}")
        ).put_object(
            Bucket=props["bucket"],
            Key=props["key"],
            ACL=ACL,
            ContentType=CONTENT_TYPE,
            Body=Path(props["source"]).read_bytes(),
        )
        if problem := find_problem(props["url"], props["etag"]):
            raise DownloadError(f"{props['url']} cannot be downloaded: {problem}")


def _is_lost(props: Mapping[str, Any]) -> bool:
    if pulumi.runtime.rpc.UNKNOWN in props.values():
        return False
    try:
        problem = find_problem(props["url"], props["etag"])
    except requests.RequestException as error:
        print(f"{props['url']}: not checked: {type(error).__name__}", flush=True)
        return False
    if problem:
        print(f"{props['url']} cannot be downloaded: {problem}", flush=True)
    return bool(problem)


class PublicObject(dynamic.Resource, module="slipway", name="PublicObject"):
    """An object that anybody can download."""

    def __init__(
        self,
        name: str,
        *,
        url: pulumi.Input[str],
        bucket: pulumi.Input[str],
        region: str,
        key: pulumi.Input[str],
        etag: str,
        source: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare that a stored object can be downloaded.

        Args:
            url: of the object.
            bucket: which stores it.
            region: of the bucket.
            key: of the object.
            etag: MD5 of the content, hexadecimal.
            source: file on this machine with the content.
        """
        props = {
            "url": url,
            "bucket": bucket,
            "region": region,
            "key": key,
            "etag": etag,
            "source": source,
        }
        super().__init__(PublicObjectProvider(), name, props, opts)
