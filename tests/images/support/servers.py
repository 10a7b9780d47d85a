"""Servers that answer as Nomad does: its HTTP API and its RPC port."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

SERVER_NAME = "server.global.nomad"


def install_identity(node_tls: ModuleType, directory: Path, identity: dict[str, str]) -> None:
    """Make ``identity`` the certificate of this node."""
    vars(node_tls)["DIRECTORY"] = directory
    for path, text in zip(node_tls.certificate_paths(), identity.values(), strict=True):
        path.write_text(text)


def create_mutual_tls_context(directory: Path, identity: dict[str, str]) -> ssl.SSLContext:
    """Return a server's TLS context that accepts only clients of the identity's authority."""
    pem = directory / "server.pem"
    pem.write_text(identity["certificate"] + identity["key"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(cadata=identity["authority"])
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def serve_in_thread(server: HTTPServer) -> Iterator[HTTPServer]:
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


RESPONSES = {
    "/v1/agent/health": (200, b"{}"),
    "/.well-known/jwks.json": (200, b'{"keys": []}'),
}


class NomadHandler(BaseHTTPRequestHandler):
    """Answers requests for an agent's health and its keys."""

    def do_GET(self) -> None:
        status, body = RESPONSES.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def nomad_agent(directory: Path, identity: dict[str, str]) -> Iterator[HTTPServer]:
    """Serve Nomad's HTTPS API with mutual TLS until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), NomadHandler)
    context = create_mutual_tls_context(directory, identity)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serve_in_thread(server):
        yield server


class RpcServer:
    """A Nomad server's RPC port: one connection with TLS after its first byte, and one response.

    ``requests`` are the bytes that the client sent: the first byte, then those in TLS.
    """

    def __init__(self, context: ssl.SSLContext, response: bytes) -> None:
        self.requests: list[bytes] = []
        self._context, self._response = context, response
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self.requests.append(connection.recv(1))
            try:
                with self._context.wrap_socket(connection, server_side=True) as encrypted:
                    self.requests.append(encrypted.recv(1000))
                    encrypted.sendall(self._response)
            except OSError:
                self.requests.append(b"refused")

    def __enter__(self) -> "RpcServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()
