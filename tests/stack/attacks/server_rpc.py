"""The servers' ports for their own agents, spoken to by a program that is none: with what a worker has, and with less."""

import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.mtls import Credentials
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import SECONDS, context, words
from tests.stack.attacks.msgpack import IncompleteError, pack, unpack
from tests.stack.attacks.namespaces import within
from tests.stack.attacks.target import Place, Victim


@dataclass(frozen=True)
class Protocol:
    """A server's port, and the first byte of a connection: for TLS, and inside or instead of it for calls and for raft."""

    port: int
    tls: bytes
    calls: bytes
    raft: bytes
    name: str
    """What a server's certificate says, whatever its address."""


CONSUL = Protocol(8300, b"\x03", b"\x00", b"\x01", "server.{datacenter}.consul")
NOMAD = Protocol(4647, b"\x04", b"\x01", b"\x02", "server.global.nomad")
VOTE = b"\x01" + pack(
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
"""Asks for a vote in a term that is long over: it changes nothing, and who answers it takes the asker for a server."""

CLOSED = "closed|Connection reset|Broken pipe"
"""Without TLS, or where a certificate does not do, the servers end the connection and say nothing."""


def call(
    victim: Victim,
    place: Place,
    to: Protocol,
    shown: Credentials | None,
    method: str,
    args: Mapping[str, Any],
) -> Any:
    """What the server answers to one call.

    Raises:
        OSError: it takes no connection, or ends it.
        PermissionError: it refuses the call; with its words.
    """
    request = to.calls + pack({"ServiceMethod": method, "Seq": 1}) + pack(victim.filled(dict(args)))
    header, body = within(place.station, lambda: _exchanged(victim, place, to, shown, request))
    if header[b"Error"]:
        raise PermissionError(header[b"Error"].decode())
    return body


def _exchanged(
    victim: Victim, place: Place, to: Protocol, shown: Credentials | None, request: bytes
) -> tuple[Any, Any]:
    """Two values: a call's header and body, or raft's error and answer."""
    with socket.create_connection((place.server, to.port), SECONDS) as plain:
        connection = plain
        if shown:
            plain.sendall(to.tls)
            connection = context(shown).wrap_socket(plain, server_hostname=victim.filled(to.name))
        connection.sendall(request)
        data = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError("closed without an answer")
            data += piece
            try:
                first, rest = unpack(data)
                return first, unpack(rest)[0]
            except IncompleteError:
                continue


def tried(work: Callable[[], Any], sign: bytes) -> Outcome:
    """Of ``work``, which got what it wanted if ``sign`` is in the answer."""
    try:
        answer = repr(work())
    except OSError as failed:
        return Outcome(False, words(failed))
    return Outcome(repr(sign)[2:-1] in answer, answer[:300])


def _call(
    name: str,
    to: Protocol,
    holder: str,
    method: str,
    args: Mapping[str, Any],
    sign: bytes,
    refusal: str,
) -> Attack:
    def run(victim: Victim) -> Outcome:
        shown = victim.certificates[holder] if holder else None
        return tried(
            lambda: call(victim, victim.inside, to, shown, method, args),
            victim.filled(sign.decode()).encode(),
        )

    return Attack(name, run, refusal)


def _raft(name: str, to: Protocol) -> Attack:
    def run(victim: Victim) -> Outcome:
        shown = victim.certificates["worker"]
        return tried(
            lambda: within(
                victim.inside.station,
                lambda: _exchanged(victim, victim.inside, to, shown, to.raft + VOTE),
            ),
            b"Term",
        )

    return Attack(name, run, CLOSED)


KEY = {"Datacenter": "{datacenter}", "Key": "attacks/planted"}


def client_named(name: str, token: str = "") -> dict[str, Any]:
    """The registration of a Nomad client that there is not."""
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


def _introduced_as_another(victim: Victim) -> Outcome:
    """An introduction for the worker itself, such as lies on it for the first minutes, shown by a client of another name."""
    asked = {"NodeName": victim.worker.name, "TTL": 60 * 10**9}
    told = victim.nomad_manager("/v1/acl/identity/client-introduction-token", "POST", asked)
    introduction = told.json["JWT"] if victim.tokens["manager"] else ""
    registration = client_named("intruder-of-another-name", introduction)
    return tried(
        lambda: call(
            victim,
            victim.inside,
            NOMAD,
            victim.certificates["worker"],
            "Node.Register",
            registration,
        ),
        b"HeartbeatTTL",
    )


def signing_key(victim: Victim, place: Place, shown: Credentials | None) -> bytes:
    """The private key with which Nomad vouches for its workloads, DER; servers ask each other for it.

    Raises:
        OSError: who shows that certificate is not given it.
    """
    listed = call(
        victim, place, NOMAD, shown, "Keyring.ListPublic", {"Region": "global", "AllowStale": True}
    )
    name = listed[b"PublicKeys"][0][b"KeyID"].decode()
    found: bytes = call(
        victim, place, NOMAD, shown, "Keyring.Get", {"Region": "global", "KeyID": name}
    )[b"Key"][b"RSAKey"]
    return found


def _steal_signing_key(victim: Victim) -> Outcome:
    try:
        return Outcome(
            bool(signing_key(victim, victim.inside, victim.certificates["worker"])), "the key"
        )
    except OSError as failed:
        return Outcome(False, words(failed))


ATTACKS = [
    _call(
        "Consul's servers give away a key's value to an agent without TLS",
        CONSUL,
        "",
        "KVS.Get",
        KEY,
        b"{planted}",
        CLOSED,
    ),
    _call(
        "Consul's servers give away a key's value to an agent without a certificate",
        CONSUL,
        "none",
        "KVS.Get",
        KEY,
        b"{planted}",
        "CERTIFICATE_REQUIRED",
    ),
    _call(
        "Consul's servers give away a key's value to an agent with a worker's certificate and no token",
        CONSUL,
        "worker",
        "KVS.Get",
        KEY,
        b"{planted}",
        "Permission denied",
    ),
    _raft(
        "Consul's servers take a worker's certificate for a server's, and speak of their memory with it",
        CONSUL,
    ),
    _raft(
        "Nomad's servers take a worker's certificate for a server's, and speak of their memory with it",
        NOMAD,
    ),
    _call(
        "Nomad takes a client without TLS",
        NOMAD,
        "",
        "Node.Register",
        client_named("intruder"),
        b"HeartbeatTTL",
        CLOSED,
    ),
    _call(
        "Nomad takes a client without a certificate",
        NOMAD,
        "none",
        "Node.Register",
        client_named("intruder"),
        b"HeartbeatTTL",
        "CERTIFICATE_REQUIRED",
    ),
    _call(
        "Nomad takes a client with a worker's certificate that nobody introduced",
        NOMAD,
        "worker",
        "Node.Register",
        client_named("intruder"),
        b"HeartbeatTTL",
        "Permission denied",
    ),
    Attack(
        "Nomad takes a client that shows another's introduction",
        _introduced_as_another,
        "Permission denied",
    ),
    Attack(
        "Nomad gives the key with which it vouches for workloads to a worker's certificate",
        _steal_signing_key,
        "Permission denied",
    ),
    _call(
        "Nomad gives away a variable to a worker's certificate without a token",
        NOMAD,
        "worker",
        "Variables.Read",
        {"Region": "global", "Namespace": "default", "Path": "attacks/planted"},
        b"{planted}",
        "Permission denied",
    ),
]
