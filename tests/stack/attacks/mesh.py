"""backserve's own port, knocked at from a worker by somebody who is not frontserve."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from infra import mtls
from infra.mtls import Credentials
from tests.stack.attacks import forged_certificates
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import SECONDS, words
from tests.stack.attacks.namespaces import within
from tests.stack.attacks.target import Victim

ANSWERED = "hello"
"""The greeting."""
NOT_ADMITTED = "^403 .*refused"
LOG = "/v1/client/fs/logs/{allocation}?task=backserve&type=stdout&plain=true&origin=end&offset=4000"
LOG_SECONDS = 5.0


def visit(victim: Victim, shown: Credentials | None, scheme: str = "") -> Outcome:
    """Ask an instance of backserve for its greeting; the certificate, if any, is one of the mesh.

    Where it says nothing, the reason is what it logs: a handshake that fails is not worth a word to who began it.
    """
    where = urlsplit(victim.backserve)
    assert where.hostname and where.port
    context = _context(victim, shown) if (scheme or where.scheme) == "https" else None
    logged = _log(victim)
    try:
        seen = within(
            victim.inside.station, lambda: _asked(where.hostname or "", where.port or 0, context)
        )
    except (OSError, HTTPException) as failed:
        return Outcome(False, f"{words(failed)}; it logs: {_logged_since(victim, logged)}")
    return Outcome(seen.startswith("200 ") and ANSWERED in seen, seen)


def _asked(host: str, port: int, context: ssl.SSLContext | None) -> str:
    with socket.create_connection((host, port), SECONDS) as plain:
        connection = HTTPConnection(host, port)
        connection.sock = context.wrap_socket(plain) if context else plain
        connection.request("GET", "/")
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode(errors='replace').strip()}"


def _log(victim: Victim) -> str:
    return victim.nomad_manager(victim.filled(LOG)).text


def _logged_since(victim: Victim, before: str) -> str:
    last = before.splitlines()[-1:]
    deadline = time.monotonic() + LOG_SECONDS
    while (now := _log(victim).splitlines())[-1:] == last and time.monotonic() < deadline:
        time.sleep(0.1)
    return now[-1] if now else ""


def _context(victim: Victim, shown: Credentials | None) -> ssl.SSLContext:
    """Names nobody, for members of the mesh have no host names."""
    roots = "\n".join(
        root["RootCert"] for root in victim.manager("/v1/agent/connect/ca/roots").json["Roots"]
    )
    context = mtls.context(shown) if shown else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=roots)
    return context


def leaf(victim: Victim, service: str) -> Credentials:
    """The mesh's certificate of a service: as if the attacker were it. From a prime, so that no worker's agent remembers it."""
    signed = victim.manager(f"/v1/agent/connect/ca/leaf/{service}").json
    return Credentials(
        authority=forged_certificates.AUTHORITY.pem,
        certificate=signed["CertPEM"],
        key=signed["PrivateKeyPEM"],
    )


@contextmanager
def denied(victim: Victim) -> Iterator[None]:
    """Until the block ends, Consul is told that frontserve may not speak to backserve."""
    entry = victim.manager("/v1/config/service-intentions/backserve")
    sources = [{"Name": "frontserve", "Action": "deny"}]
    victim.manager(
        "/v1/config", "PUT", {"Kind": "service-intentions", "Name": "backserve", "Sources": sources}
    )
    try:
        yield
    finally:
        again = (
            ("/v1/config", "PUT", entry.json)
            if entry.status == 200
            else ("/v1/config/service-intentions/backserve", "DELETE")
        )
        restored = victim.manager(*again)
        assert restored.status == 200, restored.seen


def _as(service: str) -> Callable[[Victim], Outcome]:
    return lambda victim: visit(victim, leaf(victim, service))


def _denied(victim: Victim) -> Outcome:
    """Allowed before and denied then, with one certificate: it is the intention that counts."""
    shown = leaf(victim, "frontserve")
    before = visit(victim, shown)
    assert before.succeeded, before.seen
    with denied(victim):
        return visit(victim, shown)


def _stranger(victim: Victim) -> Outcome:
    """A certificate that says all that frontserve's says, by an authority of the attacker's."""
    return visit(victim, forged_certificates.AUTHORITY.copy_of(leaf(victim, "frontserve")))


ATTACKS = [
    Attack(
        "backserve answers who speaks plain HTTP",
        lambda victim: visit(victim, None, "http"),
        "HTTP_REQUEST",
    ),
    Attack(
        "backserve answers who shows no certificate",
        lambda victim: visit(victim, None),
        "did not return a certificate",
    ),
    Attack(
        "backserve answers who shows a copy of frontserve's certificate by another authority",
        _stranger,
        "CERTIFICATE_VERIFY_FAILED",
    ),
    Attack("backserve answers another service of the mesh", _as("stranger"), NOT_ADMITTED),
    Attack("backserve answers another backserve", _as("backserve"), NOT_ADMITTED),
    Attack("backserve answers frontserve when an intention denies it", _denied, NOT_ADMITTED),
]
