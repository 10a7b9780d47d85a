"""A fake Consul and a fake Nomad over mutual TLS, with members and faults that a test sets.

Both may have several addresses, like a cluster with several servers. All have the same state.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
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
RAFT_REFUSAL = "cannot take snapshot now, wait until the configuration entry at 9 has been applied"


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
        self.left_pool: list[Member] = []
        """Servers that have left Nomad's pool."""
        self.leaves_pool = True
        """Whether a server leaves the pool when it is no Raft peer any more."""
        self.nodes: list[tuple[Member, str]] = []
        self.ineligible: list[str] = []
        """Ids of the nodes that accept no allocation."""
        self.draining: list[tuple[str, int]] = []
        """Id and deadline in ns of each drain, in order."""
        self.allocations: dict[str, list[str]] = {}
        """Client statuses by node id."""
        self.moves_allocations = True
        """Whether a drain stops all allocations."""
        self.peers: dict[str, list[Member]] = {"consul": [], "nomad": []}
        """The Raft configuration of each agent; the first peer leads."""
        self.non_voters: set[tuple[str, str]] = set()
        self.unhealthy: set[tuple[str, str]] = set()
        """Agent and private address."""
        self.declared_members: list[str] = []
        """Private addresses."""
        self.node_names: dict[str, str] = {}
        """By the address at which the agent answers."""
        self.connection = threading.local()
        self.raft_entries: set[str] = set()
        """Agents whose Raft log has an entry after the last change of the servers."""
        self.tokens: dict[str, dict[str, dict[str, Any]]] = {"consul": {}, "nomad": {}}
        """By agent and accessor id."""
        self.policies: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, list[str]] = {"consul": ["old"], "nomad": ["old"]}
        self.snapshots = {"consul": b"snapshot of consul", "nomad": b"snapshot of nomad"}
        self.restored: dict[str, bytes] = {}
        """By agent, the snapshot of the last restore."""
        self.requests: list[tuple[str, str, str]] = []
        """Agent, method and path of each request, in order."""
        self.addresses: list[str] = []
        """The server's address of each request, in order."""
        self.bodies: list[Any] = []
        self.fault: Callable[[str, str, str], Answer | None] = lambda kind, method, path: None
        """Returns a response that replaces the agent's own, or None."""

    def add_all(self, primes: list[Member], workers: list[Member]) -> None:
        """Let all members join."""
        self.consul = [(member, 1) for member in (*primes, *workers)]
        self.servers = primes
        self.nodes = [(worker, "ready") for worker in workers]
        self.peers = {"consul": list(primes), "nomad": list(primes)}

    def count_requests(self, path: str) -> int:
        return sum(path == requested for _, _, requested in self.requests)

    def changes(self, *prefixes: str) -> list[tuple[str, str, str]]:
        """Return the requests that change something and whose path starts with a prefix."""
        return [
            request
            for request in self.requests
            if request[1] != "GET" and request[2].startswith(prefixes or "/")
        ]

    def secrets(self, kind: str) -> set[str]:
        """Return the secrets of all tokens of an agent."""
        return {token["SecretID"] for token in self.tokens[kind].values()}

    def answer(self, kind: str, method: str, path: str, token: str, body: Any) -> Answer:
        self.requests.append((kind, method, path))
        self.bodies.append(body)
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
        if path.startswith(("/v1/operator/raft/", "/v1/operator/autopilot/")):
            return self._raft("consul", method, path)
        if path == "/v1/kv/slipway/snapshot":
            self.raft_entries.add("consul")
            return True
        if path.partition("?")[0] == "/v1/kv/slipway/members":
            if method == "PUT":
                self.declared_members = body
            return self.declared_members or Refusal(404, "")
        if path == "/v1/agent/self":
            return {"Config": {"NodeName": self.node_names.get(self.connection.address, "")}}
        if path == "/v1/snapshot":
            return self._snapshot("consul", method, body)
        if path == "/v1/agent/leave":
            return None
        if path.startswith("/v1/agent/force-leave/"):
            return self._force_leave(last.removesuffix("?prune=1"))
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
        if path.startswith(("/v1/operator/raft/", "/v1/operator/autopilot/")):
            return self._raft("nomad", method, path)
        if path == "/v1/system/reconcile/summaries":
            self.raft_entries.add("nomad")
            return None
        if path == "/v1/operator/snapshot":
            return self._snapshot("nomad", method, body)
        if path.startswith("/v1/agent/force-leave?"):
            return Refusal(500, "No node found with name or ID")
        if path == "/v1/nodes":
            return [
                {
                    "ID": m["droplet"],
                    "Name": m["name"],
                    "Address": m["address"],
                    "Status": status,
                    "Drain": m["droplet"] in dict(self.draining),
                    "SchedulingEligibility": "ineligible"
                    if m["droplet"] in self.ineligible
                    else "eligible",
                }
                for m, status in self.nodes
            ]
        if path == "/v1/agent/members":
            return {
                "Members": [
                    {
                        "Name": f"{m['name']}.global",
                        "Addr": m["address"],
                        "Status": "left" if m in self.left_pool else "alive",
                    }
                    for m in self.servers
                ]
            }
        if path.startswith("/v1/agent/keyring/"):
            return self._keyring("nomad", last, body)
        if path.startswith("/v1/node/"):
            return self._node(path.split("/")[3], last, body)
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

    def _snapshot(self, kind: str, method: str, body: Any) -> Any:
        if method == "PUT":
            self.restored[kind] = body
            return b""
        return self.snapshots[kind] if kind in self.raft_entries else Refusal(500, RAFT_REFUSAL)

    def _node(self, node: str, verb: str, body: Any) -> Any:
        if verb == "allocations":
            statuses = self.allocations.get(node, ())
            return [{"ClientStatus": status} for status in statuses]
        if verb == "drain" and body["DrainSpec"] is None:
            self.draining = [drain for drain in self.draining if drain[0] != node]
        elif verb == "drain":
            self.draining.append((node, body["DrainSpec"]["Deadline"]))
            if self.moves_allocations:
                self.allocations[node] = ["complete" for _ in self.allocations.get(node, ())]
        elif verb == "eligibility" and body["Eligibility"] == "eligible":
            self.ineligible.remove(node)
        elif verb == "eligibility":
            self.ineligible.append(node)
        elif verb == "purge":
            self.nodes = [entry for entry in self.nodes if entry[0]["droplet"] != node]
        return {}

    def _force_leave(self, name: str) -> Any:
        if name not in {member["name"] for member, _ in self.consul}:
            return Refusal(500, f"agent: No node found with name '{name}'")
        self.consul = [entry for entry in self.consul if entry[0]["name"] != name]
        return None

    def _raft(self, kind: str, method: str, path: str) -> Any:
        peers, port = self.peers[kind], 8300 if kind == "consul" else 4647
        voters = [peer for peer in peers if (kind, peer["address"]) not in self.non_voters]
        verb, _, query = path.removeprefix("/v1/operator/").partition("?")
        chosen = [peer for peer in peers if peer["droplet"] == query.removeprefix("id=")]
        if verb == "autopilot/health":
            healthy = [p for p in peers if (kind, p["address"]) not in self.unhealthy]
            report = {
                "Servers": [
                    {
                        "Address": f"{peer['address']}:{port}",
                        "Healthy": peer in healthy,
                        "Voter": peer in voters,
                    }
                    for peer in peers
                ]
            }
            return report if healthy == peers else Refusal(429, json.dumps(report))
        if verb == "raft/configuration":
            return {
                "Servers": [
                    {
                        "ID": peer["droplet"],
                        "Node": peer["name"] + (".global" if kind == "nomad" else ""),
                        "Address": f"{peer['address']}:{port}",
                        "Leader": peer is peers[0],
                        "Voter": peer in voters,
                    }
                    for peer in peers
                ]
            }
        if not chosen:
            return Refusal(500, "server was not found in the Raft configuration")
        if verb == "raft/peer":
            assert method == "DELETE"
            self.peers[kind] = [peer for peer in peers if peer not in chosen]
            if kind == "nomad" and self.leaves_pool:
                self.left_pool += chosen
        else:
            self.peers[kind] = chosen + [peer for peer in peers if peer not in chosen]
        return {}

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
    agents: Agents,
    scratch: Path,
    *,
    consul_token: str = "",
    nomad_token: str = "",
    addresses: Sequence[str] = ("127.0.0.1",),
) -> Iterator[Access]:
    """Serve ``agents`` on two ports of each address; yield the access to them."""
    authority = CertificateAuthority("cluster")
    with ExitStack() as servers:
        urls: dict[str, list[str]] = {"consul": [], "nomad": []}
        for kind, port in (("consul", 0), ("nomad", 0)):
            for address in addresses:
                port = servers.enter_context(
                    _serve(agents, kind, authority, scratch, (address, port))
                )
                urls[kind].append(f"https://{address}:{port}")
        yield Access(
            consul=urls["consul"],
            nomad=urls["nomad"],
            consul_token=consul_token,
            nomad_token=nomad_token,
            **authority.credentials(),
        )


@contextmanager
def _serve(
    agents: Agents,
    kind: str,
    authority: CertificateAuthority,
    scratch: Path,
    address: tuple[str, int],
) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get(f"X-{kind.title()}-Token", "")
            agents.connection.address = self.connection.getsockname()[0]
            agents.addresses.append(agents.connection.address)
            is_snapshot = self.path.endswith("/snapshot") and "/kv/" not in self.path
            body = sent if is_snapshot else json.loads(sent) if sent else None
            status, result = agents.answer(kind, self.command, self.path, token, body)
            if isinstance(result, Refusal):
                status, result = result
            if status == 200:
                content = result if isinstance(result, bytes) else json.dumps(result).encode()
            else:
                content = str(result).encode()
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

    server = Server(address, Handler)
    server.socket = authority.server(scratch, address[0]).wrap_socket(
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
