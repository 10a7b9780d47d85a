"""An HTTP service with scripted responses that records the requests."""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    """Path with query."""
    body: Any
    headers: Mapping[str, str]
    port: int = 0
    """Source port, which identifies the connection."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Service:
    """Serves on a loopback port inside a ``with`` block, over TLS if ``tls`` is given."""

    def __init__(self, answer: Callable[[Call], Reply], tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[Call] = []
        self._answer = answer
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"

    @property
    def request_lines(self) -> list[str]:
        """The requests as ``METHOD path?query``."""
        return [str(call) for call in self.calls]

    def bodies(self, method: str, path: str) -> list[Any]:
        return [call.body for call in self.calls if (call.method, call.path) == (method, path)]

    def __enter__(self) -> "Service":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _record(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
        return self._answer(call)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                reply = service._record(
                    Call(
                        self.command,
                        self.path,
                        _parse_body(raw),
                        dict(self.headers),
                        self.client_address[1],
                    )
                )
                data = b"" if reply.body is None else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: tests inspect the recorded calls."""

        return Handler


def _parse_body(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode()
