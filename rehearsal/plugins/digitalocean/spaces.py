"""Spaces: S3 requests as the official plugin signs and addresses them."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.rest import TIMEOUT, Answer

if TYPE_CHECKING:
    import urllib3

REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
"""Where the official plugin accepts buckets."""

SIGNING_REGION = "us-east-1"


class SpacesError(PluginError):
    """Spaces refused; ``code`` is S3's, such as BucketNotEmpty."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class Spaces:
    """Spaces in every region, by one key."""

    endpoint: str
    """URL with ``{{.Region}}`` in it."""
    access_key: str
    secret_key: str

    @cached_property
    def _pool(self) -> "urllib3.PoolManager":
        import urllib3

        return urllib3.PoolManager(maxsize=16, retries=False, timeout=TIMEOUT)

    def call(
        self,
        method: str,
        region: str,
        bucket: str,
        path: str = "/",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        path_style: bool = False,
    ) -> Answer:
        """One signed request about ``bucket``, named in the host unless ``path_style``.

        Raises:
            PluginError: no key, or no connection.
            SpacesError: refused.
        """
        if not (self.access_key and self.secret_key):
            raise PluginError(
                "Spaces credentials not configured: set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY, "
                "or digitalocean:spacesAccessId and digitalocean:spacesSecretKey"
            )
        endpoint = urlsplit(re.sub(r"\{\{\s*\.Region\s*\}\}", region.lower(), self.endpoint))
        host = endpoint.netloc if path_style else f"{bucket}.{endpoint.netloc}"
        target = quote(f"/{bucket}" if path_style else path) + (
            f"?{urlencode(query)}" if query else ""
        )
        signed = self._signed(method, f"{endpoint.scheme}://{host}{target}", headers or {}, body)
        url = f"{endpoint.scheme}://{_reachable(host, endpoint.netloc)}{target}"
        return self._send(method, url, {**signed, "Host": host}, body)

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        import urllib3

        try:
            answer = self._pool.request(method, url, body=body or None, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise PluginError(f"{method} {url}: {error}") from error
        if answer.status >= 400:
            code, text = _refusal(answer.data)
            raise SpacesError(
                answer.status,
                code,
                f"{method} {url} (host {headers['Host']}): {answer.status} {code} {text}".rstrip(),
            )
        return Answer(answer.status, answer.headers, answer.data)

    def _signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """The headers with a version 4 signature over them and the body."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest(method, url, headers=dict(headers), data=body)
        S3SigV4Auth(Credentials(self.access_key, self.secret_key), "s3", SIGNING_REGION).add_auth(
            request
        )
        return dict(request.headers.items())


@cache
def _reachable(host: str, endpoint: str) -> str:
    """Where to connect for ``host``: the endpoint itself when only that has a name here, as behind a hosts file."""
    try:
        socket.getaddrinfo(host.partition(":")[0], None)
    except OSError:
        return endpoint
    return host


def _refusal(body: bytes) -> tuple[str, str]:
    """Code and message of an S3 error; a HEAD has none."""
    try:
        error = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "", body.decode(errors="replace")[:200]
    return error.findtext("Code", ""), error.findtext("Message", "")
