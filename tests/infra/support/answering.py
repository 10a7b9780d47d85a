"""A fake HTTP API for one test."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = Callable[[str, str], tuple[int, Any]]
"""Path and ``Authorization`` header -> status and JSON."""


@contextmanager
def answering(answer: Answer, delete: Answer | None = None) -> Iterator[str]:
    """Serve ``answer``, and ``delete`` for DELETE, on a free port; yield host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond(answer)

        def do_DELETE(self) -> None:
            self._respond(delete or answer)

        def _respond(self, function: Answer) -> None:
            status, body = function(self.path, self.headers.get("Authorization", ""))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
