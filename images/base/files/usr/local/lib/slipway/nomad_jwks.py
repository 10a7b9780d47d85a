#!/usr/bin/python3
"""Serve the public keys of this prime's Nomad to its Consul, on loopback without TLS.

Consul verifies workload identities with these keys. It fetches them without a client certificate,
and Nomad refuses such a client. Nothing else of Nomad is served here.
"""

import http.client
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import node_tls

ADDRESS = ("127.0.0.1", 4651)
PATH = "/.well-known/jwks.json"
NOMAD = ("127.0.0.1", 4646)
TIMEOUT_S = 5


class NomadError(Exception):
    """Nomad does not return its keys; the message names the cause."""


def fetch_keys() -> bytes:
    """Return Nomad's response, unchanged.

    Raises:
        NomadError: Nomad does not answer, or answers with an error.
        OSError: this node has no certificate.
    """
    context = node_tls.create_context()
    connection = http.client.HTTPSConnection(*NOMAD, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", PATH)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise NomadError(f"Nomad does not answer: {error}") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise NomadError(f"Nomad answers {response.status}")
    return body


class JwksHandler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of ``PATH``."""

    timeout = TIMEOUT_S
    server_version = "nomad-jwks"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path != PATH:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")
            return
        try:
            body = fetch_keys()
        except (NomadError, OSError) as error:
            self._send(HTTPStatus.BAD_GATEWAY, "text/plain", f"{error}\n".encode())
            return
        self._send(HTTPStatus.OK, "application/json", body)

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log failed requests only."""
        if code != HTTPStatus.OK:
            super().log_request(code, size)


def main() -> int:
    """Serve until the process is stopped."""
    with ThreadingHTTPServer(ADDRESS, JwksHandler) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
