"""A proxy of the cloud's API that answers chosen requests with an error."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import requests

HOP_BY_HOP_HEADERS = {
    "connection",
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "keep-alive",
    "host",
    "date",
    "server",
}
MESSAGE = "injected by the test"


@dataclass(frozen=True)
class Fault:
    """An error response that replaces the API's own."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FaultyApi:
    """The proxy's URL, and how many faults it has returned."""

    url: str = ""
    fault_count: int = 0


@contextmanager
def faulty_api(api: str, method: str, path: str, faults: Iterable[Fault]) -> Iterator[FaultyApi]:
    """Run a proxy of ``api`` until the block ends.

    Each request for ``method`` and ``path`` receives the next fault, until there is none left.
    """
    remaining, lock, proxy = iter(faults), Lock(), FaultyApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = None
            if (self.command, self.path.partition("?")[0]) == (method, path):
                with lock:
                    fault = next(remaining, None)
                    proxy.fault_count += fault is not None
            if fault:
                content = json.dumps({"id": "fault", "message": MESSAGE}).encode()
                headers = {"Content-Type": "application/json", **fault.headers}
                return self._send(fault.status, headers, content)
            response = requests.request(
                self.command,
                api + self.path,
                headers=_end_to_end(dict(self.headers)),
                data=body,
                timeout=60,
            )
            headers = _end_to_end(dict(response.headers))
            return self._send(response.status_code, headers, response.content)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        # The names that http.server calls.
        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _end_to_end(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP_HEADERS
    }
