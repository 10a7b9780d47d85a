"""A Nomad server on loopback that only plans jobs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority

TOKEN = "11111111-2222-3333-4444-555555555555"
REFUSALS = {400: b"1 error occurred: no datacenters", 403: b"Permission denied"}


@dataclass
class Planner:
    """How the server replies, and the requests that it received."""

    access: Access
    status: int = 200
    change: str = "Added"
    failures: list[dict[str, Any] | None] = field(default_factory=lambda: [None])
    """``FailedTGAllocs`` of each reply in turn; the last one repeats."""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Path and body."""

    def plan(self) -> dict[str, Any]:
        failures = self.failures.pop(0) if len(self.failures) > 1 else self.failures[0]
        return {"Diff": {"Type": self.change}, "FailedTGAllocs": failures}


@contextmanager
def serve_plans(authority: CertificateAuthority, directory: Path) -> Iterator[Planner]:
    """Serve plans over mutual TLS to requests with ``TOKEN``."""
    planner = Planner(
        Access(**authority.credentials(), consul=[], nomad=[], consul_token="", nomad_token=TOKEN)
    )

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            planner.requests.append((self.path, json.loads(body)))
            status = planner.status if self.headers["X-Nomad-Token"] == TOKEN else 403
            content = json.dumps(planner.plan()).encode() if status == 200 else REFUSALS[status]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.server(directory).wrap_socket(server.socket, server_side=True)
        planner.access["nomad"] = [f"https://127.0.0.1:{server.server_port}"]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield planner
        server.shutdown()
        thread.join()
