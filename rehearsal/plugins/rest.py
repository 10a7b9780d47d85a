"""A JSON client for HTTP APIs that behaves like the services' Go clients."""

import json
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from rehearsal.plugins.errors import PluginError

MAX_CONNECTIONS = 64
TIMEOUT_S = urllib3.Timeout(connect=30, read=600)
"""A Go client waits without limit; here a dead peer becomes an error."""

NO_PASSWORD = ""
"""Makes an encrypted key an error. Without it OpenSSL prompts on the terminal."""


class RestError(PluginError):
    """A response with status 400 or above."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the parsed body, None if it is empty.

        Raises:
            PluginError: the body is not JSON.
        """
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            raise PluginError(f"cannot parse the response as JSON: {self.body[:200]!r}") from error


@dataclass(frozen=True)
class TlsConfig:
    """CA certificates and a client certificate, as paths or as PEM text."""

    ca_file: str = ""
    ca_path: str = ""
    ca_pem: str = ""
    cert_file: str = ""
    cert_pem: str = ""
    key_file: str = ""
    key_pem: str = field(default="", repr=False)
    insecure: bool = False

    def create_context(self) -> ssl.SSLContext:
        """Return a TLS context with these certificates.

        Raises:
            PluginError: a certificate cannot be read, or it has no key.
        """
        if bool(self.cert_file) != bool(self.key_file) or bool(self.cert_pem) != bool(self.key_pem):
            raise PluginError("both client cert and client key must be provided")
        try:
            context = ssl.create_default_context(
                cafile=self.ca_file or None, capath=self.ca_path or None, cadata=self.ca_pem or None
            )
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file, NO_PASSWORD)
            elif self.cert_pem:
                _load_cert_chain(context, self.cert_pem + "\n" + self.key_pem)
        except OSError as error:
            raise PluginError(f"cannot read the TLS certificates: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load_cert_chain(context: ssl.SSLContext, pem: str) -> None:
    """Load PEM text through a memory file, because ``ssl`` reads keys from files only."""
    descriptor = os.memfd_create("certificate")
    with os.fdopen(descriptor, "w") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=NO_PASSWORD)


def none_if_not_found(call: Callable[[], Any]) -> Any:
    """Return the result of ``call``, None if it fails with status 404."""
    try:
        return call()
    except RestError as error:
        if error.status == 404:
            return None
        raise


@dataclass
class RestClient:
    """Client of one service."""

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: TlsConfig = TlsConfig()

    def __post_init__(self) -> None:
        context = self.tls.create_context() if self.base_url.startswith("https") else None
        self._pool = urllib3.PoolManager(
            maxsize=MAX_CONNECTIONS, retries=False, timeout=TIMEOUT_S, ssl_context=context
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> Response:
        """Send one request without retries. ``body`` is sent as JSON, or unchanged if ``raw``.

        Raises:
            PluginError: the connection failed.
            RestError: the status is 400 or above.
        """
        url = self.base_url + quote(path) + (f"?{urlencode(query)}" if query else "")
        data = body if raw or body is None else json.dumps(body).encode()
        headers = {
            **self.headers,
            **({"Content-Type": "application/json"} if body is not None and not raw else {}),
        }
        try:
            response = self._pool.request(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise PluginError(f"{method} {url}: {error}") from error
        if response.status >= 400:
            raise RestError(
                response.status,
                f"{method} {url}: {response.status} {self.error_message(response.data)}",
                response.headers,
            )
        return Response(response.status, response.headers, response.data)

    def error_message(self, body: bytes) -> str:
        """Return the error message in the body of a response."""
        return body.decode(errors="replace").strip()
