"""An HTTP server on loopback that answers as it is told, by TLS if it has a context."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Told:
    """How to answer the next requests, and what came."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    delay: float = 0
    port: int = 0
    requests: list[str] = field(default_factory=list)
    certificates: list[Any] = field(default_factory=list)
    """Those of who asked by TLS."""


@contextmanager
def stub(told: Told, context: ssl.SSLContext | None = None) -> Iterator[Told]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is http.server's
            told.requests.append(f"{self.command} {self.path}")
            if isinstance(self.connection, ssl.SSLSocket):
                told.certificates.append(self.connection.getpeercert())
            time.sleep(told.delay)
            body = json.dumps(told.body).encode()
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the test asks ``told``."""

    class Server(ThreadingHTTPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            """In the request's own thread: a handshake that hangs holds up no other."""
            if context is None:
                super().finish_request(request, client_address)
                return
            with suppress(OSError), context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
