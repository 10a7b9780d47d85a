#!/usr/bin/python3
"""The public keys of this prime's Nomad, for its Consul: on loopback, without TLS, and nothing else.

Consul checks with them who a task says that it is. It can show no certificate when it fetches them, and Nomad answers
nobody who does not.
"""

import http.client
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import node_tls

ADDRESS = ("127.0.0.1", 4651)
PATH = "/.well-known/jwks.json"
NOMAD = ("127.0.0.1", 4646)
SECONDS = 5


class NoAnswerError(Exception):
    """Nomad does not tell its keys; the message says why."""


def keys() -> bytes:
    """What Nomad answers, as it is.

    Raises:
        NoAnswerError: it does not answer, or not as it should.
    """
    connection = http.client.HTTPSConnection(*NOMAD, timeout=SECONDS, context=node_tls.context())
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as failed:
        raise NoAnswerError(f"Nomad does not answer: {failed}") from failed
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise NoAnswerError(f"Nomad answers {answer.status}")
    return body


class Relay(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the one path."""

    timeout = SECONDS
    server_version = "nomad-jwks"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path != PATH:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not here\n")
            return
        try:
            body = keys()
        except (NoAnswerError, OSError) as reason:
            self._send(HTTPStatus.BAD_GATEWAY, "text/plain", f"{reason}\n".encode())
            return
        self._send(HTTPStatus.OK, "application/json", body)

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Only what fails is worth a line of the journal."""
        if code != HTTPStatus.OK:
            super().log_request(code, size)


def main() -> int:
    with ThreadingHTTPServer(ADDRESS, Relay) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
