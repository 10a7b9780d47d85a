"""One request to an HTTP API from a chosen place, and what came of it in words."""

import json
import select
import ssl
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Self
from urllib.parse import urlsplit

from infra import mtls
from infra.mtls import Credentials
from tests.stack.attacks.namespaces import HERE, within

SECONDS = 5.0
"""For a connection, and for each part of an answer."""
ALERT_SECONDS = 0.1
"""In TLS 1.3 a client is told only after the handshake that its certificate is not taken."""


@dataclass(frozen=True)
class Answer:
    """A response; with the status 0 there was none, and the text says why."""

    status: int
    text: str

    @property
    def seen(self) -> str:
        return f"{self.status} {self.text.strip()}"[:400] if self.status else self.text

    @property
    def json(self) -> Any:
        assert self.status in (200, 204), self.seen
        return json.loads(self.text or "null")

    @property
    def listed(self) -> list[dict[str, Any]]:
        """The list in the answer; empty as long as there is no good one."""
        return list(json.loads(self.text)) if self.status == 200 else []


def context(shown: Credentials) -> ssl.SSLContext:
    """TLS that believes the authority, and shows the certificate if there is one."""
    return (
        mtls.context(shown)
        if shown["certificate"]
        else ssl.create_default_context(cadata=shown["authority"])
    )


def connected(url: str, shown: Credentials | None) -> HTTPConnection:
    """Raises: OSError: nobody takes the connection, or the certificate."""
    where = urlsplit(url)
    assert where.hostname
    if where.scheme == "http":
        plain = HTTPConnection(where.hostname, where.port, timeout=SECONDS)
        plain.connect()
        return plain
    assert shown
    connection = HTTPSConnection(
        where.hostname, where.port, timeout=SECONDS, context=context(shown)
    )
    connection.connect()
    while select.select([connection.sock], [], [], ALERT_SECONDS)[0]:
        connection.sock.settimeout(ALERT_SECONDS)
        try:
            if not connection.sock.recv(1):
                raise ConnectionError("closed before the request")
        except TimeoutError:  # what came was a ticket, for another time
            break
    connection.sock.settimeout(SECONDS)
    return connection


@dataclass(frozen=True)
class Api:
    """An agent's API: where it is, in which network that counts, what is shown there, and how its tokens are sent."""

    url: str
    token_header: str = ""
    station: str = HERE
    shown: Credentials | None = None

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> Answer:
        """Text and bytes are sent as they are, anything else as JSON."""
        return within(self.station, lambda: self._ask(method, path, token, body))

    def showing(self, shown: Credentials | None) -> Self:
        return replace(self, shown=shown)

    def _ask(self, method: str, path: str, token: str, body: object) -> Answer:
        headers = {self.token_header: token} if token else {}
        content = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        connection = None
        try:
            connection = connected(self.url, self.shown)
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
        except (OSError, HTTPException) as failed:
            return Answer(0, words(failed))
        finally:
            if connection:
                connection.close()


def words(failed: BaseException) -> str:
    return f"{type(failed).__name__}: {failed}"
