"""HTTP with JSON, as the services' own Go clients speak it."""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from rehearsal.plugins.errors import PluginError

CONNECTIONS = 64
TIMEOUT = urllib3.Timeout(connect=30, read=600)
"""Seconds; a Go client waits without end, but a dead peer should be told."""

NO_PASSWORD = ""
"""An encrypted key is an error; without this, OpenSSL would ask at the terminal."""


class RestError(PluginError):
    """An answer of 400 or more."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class Answer:
    """What a service said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON, None when it is empty.

        Raises:
            PluginError: it is not JSON.
        """
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            raise PluginError(f"cannot read the answer as JSON: {self.body[:200]!r}") from error


@dataclass(frozen=True)
class Tls:
    """Certificates to trust and to show; paths, or the PEM text itself."""

    ca_file: str = ""
    ca_path: str = ""
    ca_pem: str = ""
    cert_file: str = ""
    cert_pem: str = ""
    key_file: str = ""
    key_pem: str = field(default="", repr=False)
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """A context for these certificates.

        Raises:
            PluginError: one cannot be read, or a certificate has no key.
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
                _load_pem(context, self.cert_pem + "\n" + self.key_pem)
        except OSError as error:
            raise PluginError(f"cannot read the TLS certificates: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load_pem(context: ssl.SSLContext, pem: str) -> None:
    """Python reads a key from files only; this one is in memory and gone at once."""
    descriptor = os.memfd_create("certificate")
    with os.fdopen(descriptor, "w") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=NO_PASSWORD)


@dataclass
class Rest:
    """One service under one base URL."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls = Tls()

    def __post_init__(self) -> None:
        context = self.tls.context() if self.base.startswith("https") else None
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS, retries=False, timeout=TIMEOUT, ssl_context=context
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> Answer:
        """One request, without retry. ``body`` goes as JSON, or as it is when ``raw``.

        Raises:
            PluginError: no connection.
            RestError: the service refused.
        """
        url = self.base + quote(path) + (f"?{urlencode(query)}" if query else "")
        data = body if raw or body is None else json.dumps(body).encode()
        headers = {
            **self.headers,
            **({"Content-Type": "application/json"} if body is not None and not raw else {}),
        }
        try:
            answer = self._pool.request(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise PluginError(f"{method} {url}: {error}") from error
        if answer.status >= 400:
            raise RestError(
                answer.status,
                f"{method} {url}: {answer.status} {self.reason(answer.data)}",
                answer.headers,
            )
        return Answer(answer.status, answer.headers, answer.data)

    def reason(self, body: bytes) -> str:
        """Why the service refused, from the body of its answer."""
        return body.decode(errors="replace").strip()
