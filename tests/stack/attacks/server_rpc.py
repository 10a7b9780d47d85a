"""Attacks on the servers' RPC ports, from a worker, with a worker's credentials or less."""

import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.mtls import Credentials
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import TIMEOUT_S, describe, tls_context
from tests.stack.attacks.msgpack import IncompleteError, pack, unpack
from tests.stack.attacks.namespaces import run_in_namespace
from tests.stack.attacks.target import SECRET_PATH, NetworkPosition, Target


@dataclass(frozen=True)
class Protocol:
    """A server's RPC port, and the first bytes that select TLS, RPC or Raft on a connection."""

    port: int
    tls: bytes
    rpc: bytes
    raft: bytes
    server_name: str
    """In the server's certificate, whatever its address."""


CONSUL = Protocol(8300, b"\x03", b"\x00", b"\x01", "server.{datacenter}.consul")
NOMAD = Protocol(4647, b"\x04", b"\x01", b"\x02", "server.global.nomad")
RAFT_VOTE_REQUEST = b"\x01" + pack(
    {
        "ProtocolVersion": 3,
        "ID": b"intruder",
        "Addr": b"192.0.2.1:8300",
        "Term": 0,
        "Candidate": b"192.0.2.1:8300",
        "LastLogIndex": 0,
        "LastLogTerm": 0,
        "LeadershipTransfer": False,
    }
)
"""For a term of the past, so it changes nothing. A reply means that the sender passes as server."""

CLOSED = "closed|Connection reset|Broken pipe"
"""The servers close a connection without TLS, or with an unsuitable certificate, in silence."""
MUTUAL_TLS = "mutual TLS"
SERVER_NAME = "the server name that RPC between servers requires in a certificate"
CONSUL_ACL, NOMAD_ACL = "Consul ACL", "Nomad ACL"
INTRODUCTION = "Nomad client introduction"


def call(
    target: Target,
    position: NetworkPosition,
    protocol: Protocol,
    credentials: Credentials | None,
    method: str,
    args: Mapping[str, Any],
) -> Any:
    """Call an RPC method and return the response's body.

    Raises:
        OSError: the server refuses or closes the connection.
        PermissionError: the server refuses the call; with its message.
    """
    header = pack({"ServiceMethod": method, "Seq": 1})
    request = protocol.rpc + header + pack(target.fill(dict(args)))
    response, body = run_in_namespace(
        position.namespace, lambda: _exchange(target, position, protocol, credentials, request)
    )
    if response[b"Error"]:
        raise PermissionError(response[b"Error"].decode())
    return body


def _exchange(
    target: Target,
    position: NetworkPosition,
    protocol: Protocol,
    credentials: Credentials | None,
    request: bytes,
) -> tuple[Any, Any]:
    """Return the two values of a response: RPC header and body, or Raft error and reply."""
    server = (position.server_address, protocol.port)
    with socket.create_connection(server, TIMEOUT_S) as plain:
        connection = plain
        if credentials:
            plain.sendall(protocol.tls)
            connection = tls_context(credentials).wrap_socket(
                plain, server_hostname=target.fill(protocol.server_name)
            )
        connection.sendall(request)
        data = b""
        while True:
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError("closed without an answer")
            data += chunk
            try:
                first, rest = unpack(data)
                return first, unpack(rest)[0]
            except IncompleteError:
                continue


def outcome_of(work: Callable[[], Any], proof: bytes) -> Outcome:
    """Run ``work``; it succeeds if ``proof`` is in the result."""
    try:
        answer = repr(work())
    except OSError as error:
        return Outcome(False, describe(error))
    return Outcome(repr(proof)[2:-1] in answer, answer[:300])


def _call(
    name: str,
    protocol: Protocol,
    holder: str,
    method: str,
    args: Mapping[str, Any],
    proof: bytes,
    refusal: str,
    refused_by: str,
) -> Attack:
    def run(target: Target) -> Outcome:
        credentials = target.certificates[holder] if holder else None
        return outcome_of(
            lambda: call(target, target.worker_position, protocol, credentials, method, args),
            target.fill(proof.decode()).encode(),
        )

    return Attack(name, run, refusal, refused_by)


def _raft(name: str, protocol: Protocol) -> Attack:
    def run(target: Target) -> Outcome:
        credentials, position = target.certificates["worker"], target.worker_position
        request = protocol.raft + RAFT_VOTE_REQUEST
        return outcome_of(
            lambda: run_in_namespace(
                position.namespace,
                lambda: _exchange(target, position, protocol, credentials, request),
            ),
            b"Term",
        )

    return Attack(name, run, CLOSED, SERVER_NAME)


READ_KV_ARGS = {"Datacenter": "{datacenter}", "Key": SECRET_PATH}


def client_registration(name: str, token: str = "") -> dict[str, Any]:
    """Return the arguments that register a Nomad client which does not exist."""
    node = {
        "ID": str(uuid.uuid4()),
        "SecretID": str(uuid.uuid4()),
        "Name": name,
        "Datacenter": "{datacenter}",
        "Attributes": {"kernel.name": "linux"},
        "Status": "down",
        "SchedulingEligibility": "ineligible",
    }
    return {"Node": node, "Region": "global", "AuthToken": token}


def _register_with_introduction_of_another_node(target: Target) -> Outcome:
    """Register another name with the worker's own introduction token."""
    request = {"NodeName": target.worker.name, "TTL": 60 * 10**9}
    response = target.nomad_as_manager(
        "/v1/acl/identity/client-introduction-token", "POST", request
    )
    introduction = response.json["JWT"] if target.is_protected else ""
    args = client_registration("intruder-of-another-name", introduction)
    credentials = target.certificates["worker"]
    return outcome_of(
        lambda: call(target, target.worker_position, NOMAD, credentials, "Node.Register", args),
        b"HeartbeatTTL",
    )


def signing_key(
    target: Target, position: NetworkPosition, credentials: Credentials | None
) -> tuple[bytes, str]:
    """Return the key that signs workload identities, DER, and its id.

    Servers send the key to each other.

    Raises:
        OSError: the server refuses.
    """
    public = call(
        target,
        position,
        NOMAD,
        credentials,
        "Keyring.ListPublic",
        {"Region": "global", "AllowStale": True},
    )
    key_id = public[b"PublicKeys"][0][b"KeyID"].decode()
    args = {"Region": "global", "KeyID": key_id}
    key = call(target, position, NOMAD, credentials, "Keyring.Get", args)[b"Key"]
    return key[b"RSAKey"], key_id


def _read_signing_key(target: Target) -> Outcome:
    credentials = target.certificates["worker"]
    try:
        key, _ = signing_key(target, target.worker_position, credentials)
        return Outcome(bool(key), "the key")
    except OSError as error:
        return Outcome(False, describe(error))


def _read_kv(manner: str, holder: str, refusal: str, refused_by: str) -> Attack:
    name = f"Consul: read a KV value {manner}"
    return _call(name, CONSUL, holder, "KVS.Get", READ_KV_ARGS, b"{secret}", refusal, refused_by)


def _register(manner: str, holder: str, refusal: str, refused_by: str) -> Attack:
    name, args = f"Nomad: register a client {manner}", client_registration("intruder")
    return _call(name, NOMAD, holder, "Node.Register", args, b"HeartbeatTTL", refusal, refused_by)


ATTACKS = [
    _read_kv("without TLS", "", CLOSED, MUTUAL_TLS),
    _read_kv("without a client certificate", "none", "CERTIFICATE_REQUIRED", MUTUAL_TLS),
    _read_kv("with a worker's certificate and no token", "worker", "Permission denied", CONSUL_ACL),
    _raft("Consul: request a Raft vote with a worker's certificate", CONSUL),
    _raft("Nomad: request a Raft vote with a worker's certificate", NOMAD),
    _register("without TLS", "", CLOSED, MUTUAL_TLS),
    _register("without a client certificate", "none", "CERTIFICATE_REQUIRED", MUTUAL_TLS),
    _register(
        "with a worker's certificate and no introduction token",
        "worker",
        "Permission denied",
        INTRODUCTION,
    ),
    Attack(
        "Nomad: register a client with the introduction token of another node",
        _register_with_introduction_of_another_node,
        "Permission denied",
        INTRODUCTION,
    ),
    Attack(
        "Nomad: read the key that signs workload identities, with a worker's certificate",
        _read_signing_key,
        "Permission denied",
        SERVER_NAME,
    ),
    _call(
        "Nomad: read a variable with a worker's certificate and no token",
        NOMAD,
        "worker",
        "Variables.Read",
        {"Region": "global", "Namespace": "default", "Path": SECRET_PATH},
        b"{secret}",
        "Permission denied",
        NOMAD_ACL,
    ),
]
