"""A fake of the Consul agent API that the mesh uses."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.services.support.certificates import (
    TRUST_DOMAIN,
    Authority,
    Credentials,
    service_uri,
    tls,
)

PREFIX = "/v1/agent/connect"
TOKEN = "c3b0a1f2-0000-4000-8000-000000000001"


class FakeAgent:
    """The state of the agent. A change answers the blocking queries."""

    def __init__(self) -> None:
        self.roots = [Authority()]
        self.allowed = {("frontserve", "backserve")}
        """Pairs of source and destination."""
        self.token = TOKEN
        """The valid token."""
        self.tokens: list[str] = []
        """The token of each request."""
        self.authorize_requests: list[dict[str, str]] = []
        """The bodies of the authorize requests."""
        self.cache_is_empty = False
        """Whether authorize knows no intention, as after a read from a server without data."""
        self.leaves: dict[str, Credentials] = {}
        self.index = 1
        self.port = 0
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    def leaf(self, service: str) -> Credentials:
        """Return the current certificate of ``service``; create it if there is none."""
        return self.leaves.setdefault(service, self.roots[-1].leaf(service_uri(service)))

    def rotate_leaves(self) -> None:
        with self._change():
            self.leaves = {}

    def rotate_roots(self) -> Authority:
        """Add a root that signs all new certificates, and return it."""
        with self._change():
            self.roots.append(
                Authority(f"Consul CA {len(self.roots)}").cross_signed_by(self.roots[-1])
            )
            self.leaves = {}
        return self.roots[-1]

    def drop_old_roots(self) -> None:
        with self._change():
            self.roots = self.roots[-1:]

    def start(self) -> None:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agent.answer(self, None)

            def do_POST(self) -> None:
                agent.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def stop(self) -> None:
        """Stop, and drop the blocking queries that are pending."""
        if self._server is None:
            return
        server, self._server = self._server, None
        with self._changed:
            self._changed.notify_all()
        server.shutdown()
        server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, body: Any) -> None:
        server = self._server
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        token = request.headers.get("X-Consul-Token", "")
        self.tokens.append(token)
        if token != self.token and url.path != f"{PREFIX}/ca/roots":
            self._send(request, 403, "ACL not found")
            return
        with self._changed:
            if int(query.get("index", 0)) >= self.index:
                self._changed.wait(float(query["wait"].removesuffix("s")))
            if self._server is not server:
                return
            reply = self._reply(url.path, query, body)
        self._send(request, 200, reply)

    def _reply(self, path: str, query: dict[str, str], body: Any) -> Any:
        if path == "/v1/connect/intentions/check":
            return {"Allowed": (query["source"], query["destination"]) in self.allowed}
        if path == f"{PREFIX}/authorize":
            self.authorize_requests.append(body)
            caller = body["ClientCertURI"].rpartition("/")[2]
            allowed = not self.cache_is_empty and (caller, body["Target"]) in self.allowed
            return {
                "Authorized": allowed,
                "Reason": "Matched L4 intention" if allowed else "Default intention policy",
            }
        if path == f"{PREFIX}/ca/roots":
            roots = [
                {"ID": root.name, "RootCert": root.certificate, "Active": root is self.roots[-1]}
                for root in self.roots
            ]
            return {
                "ActiveRootID": self.roots[-1].name,
                "TrustDomain": TRUST_DOMAIN,
                "Roots": roots,
            }
        service = path.removeprefix(f"{PREFIX}/ca/leaf/")
        leaf = self.leaf(service)
        expires = leaf.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "CertPEM": leaf.certificate,
            "PrivateKeyPEM": leaf.key,
            "Service": service,
            "ValidBefore": expires,
        }

    def _send(self, request: BaseHTTPRequestHandler, status: int, reply: Any) -> None:
        content = json.dumps(reply).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("X-Consul-Index", str(self.index))
        request.end_headers()
        request.wfile.write(content)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self.index += 1
            self._changed.notify_all()


def workload_environment(agent: FakeAgent, directory: Path) -> dict[str, str]:
    """Return the environment of a service whose token file is in ``directory``."""
    file = directory / "consul_token"
    file.write_text(agent.token + "\n")
    return {"CONSUL_HTTP_ADDR": f"127.0.0.1:{agent.port}", "CONSUL_HTTP_TOKEN_FILE": str(file)}


@contextmanager
def fake_agent() -> Iterator[FakeAgent]:
    """Run a fake agent."""
    agent = FakeAgent()
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


def backserve_context(agent: FakeAgent, credentials: Credentials | None = None) -> ssl.SSLContext:
    """Return the context of a server that is backserve, or has other ``credentials``."""
    return tls(ssl.PROTOCOL_TLS_SERVER, credentials or agent.leaf("backserve"), *agent.roots)
