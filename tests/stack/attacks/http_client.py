"""One HTTP request from a chosen network namespace, with its outcome as text."""

import json
import select
import ssl
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Self
from urllib.parse import urlsplit

from infra import mtls
from infra.mtls import Credentials
from tests.stack.attacks.namespaces import HOST, run_in_namespace

TIMEOUT_S = 5.0
"""For a connection, and for each read."""
TLS_ALERT_TIMEOUT_S = 0.1
"""In TLS 1.3 the server rejects a client certificate only after the handshake."""
MAX_DETAIL_CHARS = 400


@dataclass(frozen=True)
class Response:
    """A response. Status 0 means that there was none; the text then holds the error."""

    status: int
    text: str

    @property
    def detail(self) -> str:
        """The status and the beginning of the body, or the error."""
        if not self.status:
            return self.text
        return f"{self.status} {self.text.strip()}"[:MAX_DETAIL_CHARS]

    @property
    def json(self) -> Any:
        """The body, decoded; None if it is empty.

        Raises:
            AssertionError: the status is neither 200 nor 204.
        """
        assert self.status in (200, 204), self.detail
        return json.loads(self.text or "null")

    @property
    def items(self) -> list[dict[str, Any]]:
        """The list in the body; empty unless the status is 200."""
        return list(json.loads(self.text)) if self.status == 200 else []


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Return a client context that trusts the authority and presents the certificate, if any."""
    if credentials["certificate"]:
        return mtls.context(credentials)
    return ssl.create_default_context(cadata=credentials["authority"])


def connect(url: str, credentials: Credentials | None) -> HTTPConnection:
    """Open a connection, and wait briefly for a late TLS alert.

    Raises:
        OSError: the server refuses the connection or the certificate.
    """
    parts = urlsplit(url)
    assert parts.hostname
    if parts.scheme == "http":
        plain = HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        plain.connect()
        return plain
    assert credentials
    context = tls_context(credentials)
    connection = HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=context)
    connection.connect()
    while select.select([connection.sock], [], [], TLS_ALERT_TIMEOUT_S)[0]:
        connection.sock.settimeout(TLS_ALERT_TIMEOUT_S)
        try:
            if not connection.sock.recv(1):
                raise ConnectionError("closed before the request")
        except TimeoutError:  # the data was a session ticket
            break
    connection.sock.settimeout(TIMEOUT_S)
    return connection


@dataclass(frozen=True)
class ApiClient:
    """A client of one agent's HTTP API, in one network namespace, with one certificate."""

    url: str
    token_header: str = ""
    namespace: str = HOST
    credentials: Credentials | None = None

    def request(self, method: str, path: str, token: str = "", body: object = None) -> Response:
        """Send a request. Text and bytes are sent as they are, anything else as JSON."""
        return run_in_namespace(self.namespace, lambda: self._request(method, path, token, body))

    def with_credentials(self, credentials: Credentials | None) -> Self:
        return replace(self, credentials=credentials)

    def _request(self, method: str, path: str, token: str, body: object) -> Response:
        headers = {self.token_header: token} if token else {}
        content = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        connection = None
        try:
            connection = connect(self.url, self.credentials)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            return Response(response.status, response.read().decode(errors="replace"))
        except (OSError, HTTPException) as error:
            return Response(0, describe(error))
        finally:
            if connection:
                connection.close()


def describe(error: BaseException) -> str:
    """Return the error's type and message."""
    return f"{type(error).__name__}: {error}"
