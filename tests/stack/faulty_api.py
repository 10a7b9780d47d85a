"""An API with faults: it stands before the cloud's own and hands everything on, but for what is told to go wrong."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import requests

CONNECTION_ONLY = {
    "connection",
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "keep-alive",
    "host",
    "date",
    "server",
}
MESSAGE = "as the test wants it"


@dataclass(frozen=True)
class Fault:
    """One answer that is given instead of the true one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FaultyApi:
    """Counts the requests that met a fault."""

    url: str = ""
    met: int = 0


@contextmanager
def faulty(api: str, method: str, path: str, faults: Iterable[Fault]) -> Iterator[FaultyApi]:
    """Stand before ``api`` until the block ends: each request for ``method`` and ``path`` meets the next fault, while there is one."""
    coming, lock, standing = iter(faults), Lock(), FaultyApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = None
            if (self.command, self.path.partition("?")[0]) == (method, path):
                with lock:
                    fault = next(coming, None)
                    standing.met += fault is not None
            if fault:
                told = json.dumps({"id": "fault", "message": MESSAGE}).encode()
                return self._send(
                    fault.status, {"Content-Type": "application/json", **fault.headers}, told
                )
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in CONNECTION_ONLY
            }
            answer = requests.request(
                self.command, api + self.path, headers=headers, data=body, timeout=60
            )
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in CONNECTION_ONLY
            }
            return self._send(answer.status_code, kept, answer.content)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _answer  # noqa: N815  the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    standing.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield standing
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
