"""An HTTP server on loopback with a fixed reply, over TLS if it has a context."""

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
class Stub:
    """The reply, and the requests that the server received."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    delay_s: float = 0
    port: int = 0
    requests: list[str] = field(default_factory=list)
    certificates: list[Any] = field(default_factory=list)
    """Peer certificates of requests over TLS."""


@contextmanager
def serve(stub: Stub, context: ssl.SSLContext | None = None) -> Iterator[Stub]:
    """Run the server of ``stub`` on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stub.requests.append(f"{self.command} {self.path}")
            if isinstance(self.connection, ssl.SSLSocket):
                stub.certificates.append(self.connection.getpeercert())
            time.sleep(stub.delay_s)
            body = json.dumps(stub.body).encode()
            self.send_response(stub.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            """Handshake in the thread of the request, so that it does not block others."""
            if context is None:
                super().finish_request(request, client_address)
                return
            with suppress(OSError), context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        stub.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
