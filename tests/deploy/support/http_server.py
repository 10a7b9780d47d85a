"""An HTTP server with prepared responses."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HttpServer:
    """A server with one response for each path; queries are ignored.

    Bytes are sent as they are, a number is a status, and anything else is sent as JSON. A callable
    returns one of these. Other paths are 404. ``requests`` has the headers of the last request for
    each path, and ``bodies`` its body.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.by_path: dict[str, Any] = {}
        self.requests: dict[str, dict[str, str]] = {}
        self.bodies: dict[str, bytes] = {}
        responses, requests, bodies = self.by_path, self.requests, self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                requests[path] = dict(self.headers)
                bodies[path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                response = responses.get(path)
                body = response() if callable(response) else response
                self.send_response(404 if body is None else body if isinstance(body, int) else 200)
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def do_PUT(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                self.do_GET()

            def do_DELETE(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
