"""A fake Consul and a fake Nomad over mutual TLS, with members and faults that a test sets."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from infra.cluster_api.members import Member
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority

Answer = tuple[int, Any]
"""Status, and JSON or the text of a refusal."""

GONE = (403, "token does not exist: ACL not found")
FORBIDDEN = (403, "Permission denied")


def member(name: str, number: int, *, created: int = 0) -> Member:
    return Member(
        name=name,
        droplet=str(number),
        created=f"2026-01-01T00:00:{created:02d}Z",
        address=f"10.10.0.{number}",
        public=f"198.18.0.{number}",
    )


class Agents:
    """Consul and Nomad, at first without members, tokens and policies."""

    def __init__(self) -> None:
        self.leaders = True
        self.consul: list[tuple[Member, int]] = []
        self.servers: list[Member] = []
        self.nodes: list[tuple[Member, str]] = []
        self.drained: list[str] = []
        self.tokens: dict[str, dict[str, dict[str, Any]]] = {"consul": {}, "nomad": {}}
        """By agent and accessor id."""
        self.policies: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, list[str]] = {"consul": ["old"], "nomad": ["old"]}
        self.requests: list[tuple[str, str, str]] = []
        """Agent, method and path of each request, in order."""
        self.fault: Callable[[str, str, str], Answer | None] = lambda kind, method, path: None
        """Returns a response that replaces the agent's own, or None."""

    def add_all(self, primes: list[Member], workers: list[Member]) -> None:
        """Let all members join."""
        self.consul = [(member, 1) for member in (*primes, *workers)]
        self.servers = primes
        self.nodes = [(worker, "ready") for worker in workers]

    def count_requests(self, path: str) -> int:
        return sum(path == requested for _, _, requested in self.requests)

    def secrets(self, kind: str) -> set[str]:
        """Return the secrets of all tokens of an agent."""
        return {token["SecretID"] for token in self.tokens[kind].values()}

    def answer(self, kind: str, method: str, path: str, token: str, body: Any) -> Answer:
        self.requests.append((kind, method, path))
        if fault := self.fault(kind, method, path):
            return fault
        if path == "/v1/status/leader":
            return 200, "10.10.0.2:8300" if self.leaders else ""
        if path == "/v1/acl/bootstrap":
            return self._bootstrap(kind, body["BootstrapSecret"])
        own = next((one for one in self.tokens[kind].values() if one["SecretID"] == token), None)
        if own is None:
            return FORBIDDEN
        return 200, own if path == "/v1/acl/token/self" else getattr(self, f"_{kind}")(
            method, path, body
        )

    def _bootstrap(self, kind: str, secret: str) -> Answer:
        if self.tokens[kind]:
            return (
                (403, "ACL bootstrap no longer allowed (reset index: 9)")
                if kind == "consul"
                else (400, "ACL bootstrap already done")
            )
        return 200, self._create_token(
            kind,
            {"SecretID": secret, "Policies": [{"Name": "global-management"}], "Type": "management"},
        )

    def _create_token(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        token = {"AccessorID": str(uuid.uuid4()), "SecretID": str(uuid.uuid4()), **given}
        self.tokens[kind][token["AccessorID"]] = token
        return token

    def _consul(self, method: str, path: str, body: Any) -> Any:
        last = path.rpartition("/")[2]
        if path == "/v1/agent/members":
            return [
                {"Name": m["name"], "Addr": m["address"], "Status": status}
                for m, status in self.consul
            ]
        if path == "/v1/operator/keyring":
            return self._keyring(
                "consul",
                {"GET": "list", "POST": "install", "PUT": "use", "DELETE": "remove"}[method],
                body,
            )
        if path.startswith("/v1/acl/policy"):
            if method == "PUT":
                self.policies[body["Name"]] = {"ID": body["Name"], **body}
            return (
                self.policies.get(last, Refusal(404, "policy does not exist"))
                if method == "GET"
                else body
            )
        if path == "/v1/acl/token":
            return (
                self._create_token("consul", body)
                if body["AccessorID"] not in self.tokens["consul"]
                else Refusal(500, "already in use")
            )
        return self._token("consul", method, last, body)

    def _nomad(self, method: str, path: str, body: Any) -> Any:
        last = path.rpartition("/")[2]
        if path == "/v1/nodes":
            return [
                {
                    "ID": m["droplet"],
                    "Name": m["name"],
                    "Address": m["address"],
                    "Status": status,
                    "SchedulingEligibility": "ineligible"
                    if m["droplet"] in self.drained
                    else "eligible",
                }
                for m, status in self.nodes
            ]
        if path == "/v1/agent/members":
            return {
                "Members": [
                    {"Name": f"{m['name']}.global", "Addr": m["address"], "Status": "alive"}
                    for m in self.servers
                ]
            }
        if path.startswith("/v1/agent/keyring/"):
            return self._keyring("nomad", last, body)
        if path.endswith("/drain"):
            return self.drained.append(path.split("/")[3])
        if path.endswith("/eligibility"):
            return self.drained.remove(path.split("/")[3])
        if path.startswith("/v1/node/"):
            return {"DrainStrategy": None}
        if path == "/v1/acl/identity/client-introduction-token":
            return {"JWT": f"introduces {body['NodeName']}"}
        if path == "/v1/acl/tokens":
            return [
                {"AccessorID": one, "Name": token.get("Name")}
                for one, token in self.tokens["nomad"].items()
            ]
        if path == "/v1/acl/token":
            return self._create_token("nomad", body)
        return self._token("nomad", method, last, body)

    def _token(self, kind: str, method: str, accessor: str, body: Any) -> Any:
        if accessor not in self.tokens[kind]:
            return Refusal(*GONE)
        if method == "DELETE":
            del self.tokens[kind][accessor]
            return True
        self.tokens[kind][accessor].update(body or {})
        return self.tokens[kind][accessor]

    def _keyring(self, kind: str, verb: str, body: Any) -> Any:
        keys = self.keys[kind]
        if verb == "install" and body["Key"] not in keys:
            keys.append(body["Key"])
        elif verb == "use":
            keys.insert(0, keys.pop(keys.index(body["Key"])))
        elif verb == "remove":
            keys.remove(body["Key"])
        pool = {"WAN": False, "NumNodes": 2, "Keys": dict.fromkeys(keys, 2)}
        return [pool] if kind == "consul" else pool


class Refusal(tuple[int, str]):
    """An error response: status and text."""

    def __new__(cls, status: int, text: str) -> "Refusal":
        return super().__new__(cls, (status, text))


@contextmanager
def serving(
    agents: Agents, scratch: Path, *, consul_token: str = "", nomad_token: str = ""
) -> Iterator[Access]:
    """Serve ``agents`` on two ports; yield the access to them."""
    authority = CertificateAuthority("cluster")
    with ExitStack() as servers:
        ports = [
            servers.enter_context(_serve(agents, kind, authority, scratch))
            for kind in ("consul", "nomad")
        ]
        yield Access(
            consul=f"https://127.0.0.1:{ports[0]}",
            nomad=f"https://127.0.0.1:{ports[1]}",
            consul_token=consul_token,
            nomad_token=nomad_token,
            **authority.credentials(),
        )


@contextmanager
def _serve(
    agents: Agents, kind: str, authority: CertificateAuthority, scratch: Path
) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get(f"X-{kind.title()}-Token", "")
            status, result = agents.answer(
                kind, self.command, self.path, token, json.loads(sent) if sent else None
            )
            if isinstance(result, Refusal):
                status, result = result
            content = json.dumps(result).encode() if status == 200 else str(result).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  # the library's names

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """Log nothing: a rejected client closes the connection."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = authority.server(scratch).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
