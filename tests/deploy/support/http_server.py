"""An HTTP server that answers what a test says."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HttpServer:
    """An HTTP server with one answer a path, queries left aside: bytes as they are, a number as a status, the rest as JSON.

    Everything else is 404. ``asked`` has the headers of the last request for each path.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.by_path: dict[str, Any] = {}
        self.asked: dict[str, dict[str, str]] = {}
        answers, asked = self.by_path, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                asked[path] = dict(self.headers)
                answer = answers.get(path)
                body = answer() if callable(answer) else answer
                self.send_response(404 if body is None else body if isinstance(body, int) else 200)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

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
