"""An S3 client for Spaces that signs and addresses requests like the official plugin."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.rest import TIMEOUT_S, Response

if TYPE_CHECKING:
    import urllib3

REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
"""Regions in which the official plugin accepts buckets."""

SIGNING_REGION = "us-east-1"


class SpacesError(PluginError):
    """An error response of Spaces; ``code`` is the S3 error code, such as BucketNotEmpty."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class Spaces:
    """Client of all regions with one access key."""

    endpoint: str
    """URL that contains ``{{.Region}}``."""
    access_key: str
    secret_key: str

    @cached_property
    def _pool(self) -> "urllib3.PoolManager":
        import urllib3

        return urllib3.PoolManager(maxsize=16, retries=False, timeout=TIMEOUT_S)

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
    ) -> Response:
        """Send a signed request. The host name contains the bucket unless ``path_style``.

        Raises:
            PluginError: the credentials are missing or the connection failed.
            SpacesError: Spaces returned an error.
        """
        if not (self.access_key and self.secret_key):
            raise PluginError(
                "Spaces credentials not configured: set SPACES_ACCESS_KEY_ID and "
                "SPACES_SECRET_ACCESS_KEY, or digitalocean:spacesAccessId and "
                "digitalocean:spacesSecretKey"
            )
        endpoint = urlsplit(re.sub(r"\{\{\s*\.Region\s*\}\}", region.lower(), self.endpoint))
        host = endpoint.netloc if path_style else f"{bucket}.{endpoint.netloc}"
        target = quote(f"/{bucket}" if path_style else path) + (
            f"?{urlencode(query)}" if query else ""
        )
        url = f"{endpoint.scheme}://{host}{target}"
        signed = self._sign(method, url, headers or {}, body)
        return self._send(method, url, {**signed, "Host": host}, body)

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        import urllib3

        try:
            response = self._pool.request(method, url, body=body or None, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise PluginError(f"{method} {url}: {error}") from error
        if response.status >= 400:
            code, text = _parse_error(response.data)
            raise SpacesError(
                response.status,
                code,
                f"{method} {url}: {response.status} {code} {text}".rstrip(),
            )
        return Response(response.status, response.headers, response.data)

    def _sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """Return the headers with an AWS version 4 signature of headers and body."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest(method, url, headers=dict(headers), data=body)
        S3SigV4Auth(Credentials(self.access_key, self.secret_key), "s3", SIGNING_REGION).add_auth(
            request
        )
        return dict(request.headers.items())


def _parse_error(body: bytes) -> tuple[str, str]:
    """Return code and message of an S3 error. The response to a HEAD request has none."""
    try:
        error = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "", body.decode(errors="replace")[:200]
    return error.findtext("Code", ""), error.findtext("Message", "")
