"""Signed requests to one bucket of Spaces, with Signature Version 4 of S3."""

import hashlib
import hmac
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree

SIGNING_REGION = "us-east-1"
SERVICE = "s3"
ALGORITHM = "AWS4-HMAC-SHA256"
TIMEOUT_S = 60
LIST_QUERY = {"list-type": "2"}
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class SpacesError(Exception):
    """A request failed; the message names it and contains no secret."""


class Bucket:
    """The objects of a bucket. Every request raises ``SpacesError`` when it fails."""

    def __init__(self, url: str, access_key: str, secret_key: str) -> None:
        """Args:
        url: the bucket's URL, with its name in the path.
        """
        self._url = url
        self._access_key = access_key
        self._secret_key = secret_key

    def list(self) -> list[str]:
        """Return the names of all objects, sorted."""
        names: list[str] = []
        query = {**LIST_QUERY}
        while True:
            page = ElementTree.fromstring(self._send("GET", "", query))
            names += [entry.text or "" for entry in page.iter(f"{NAMESPACE}Key")]
            token = page.findtext(f"{NAMESPACE}NextContinuationToken")
            if not token:
                return sorted(names)
            query["continuation-token"] = token

    def put(self, name: str, content: bytes) -> None:
        self._send("PUT", name, {}, content)

    def delete(self, name: str) -> None:
        self._send("DELETE", name, {})

    def _send(
        self, method: str, name: str, query: Mapping[str, str], content: bytes = b""
    ) -> bytes:
        encoded = "&".join(f"{_quote(key)}={_quote(query[key])}" for key in sorted(query))
        url = f"{self._url}/{_quote(name)}" if name else self._url
        headers = self._sign(method, url, encoded, content, datetime.now(UTC))
        request = urllib.request.Request(
            f"{url}?{encoded}" if encoded else url, content or None, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                body: bytes = response.read()
                return body
        except urllib.error.HTTPError as error:
            reason = error.read(300).decode(errors="replace")
            raise SpacesError(f"{method} {url}: {error.code} {reason}") from None
        except OSError as error:
            raise SpacesError(f"{method} {url}: {error}") from None

    def _sign(
        self, method: str, url: str, query: str, content: bytes, now: datetime
    ) -> dict[str, str]:
        """Return the headers of a request, its signature among them."""
        parts = urllib.parse.urlsplit(url)
        digest, time = hashlib.sha256(content).hexdigest(), now.strftime("%Y%m%dT%H%M%SZ")
        signed = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
        names = ";".join(signed)
        lines = [f"{header}:{value}" for header, value in signed.items()]
        request = "\n".join([method, parts.path, query, *lines, "", names, digest])
        scope = f"{time[:8]}/{SIGNING_REGION}/{SERVICE}/aws4_request"
        text = "\n".join([ALGORITHM, time, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        return {
            **{header: value for header, value in signed.items() if header != "host"},
            # Otherwise urllib declares the content as a form.
            "Content-Type": "application/octet-stream",
            "Authorization": f"{ALGORITHM} Credential={self._access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}",
        }


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")
