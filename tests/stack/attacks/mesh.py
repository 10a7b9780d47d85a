"""Attacks on backserve's port, from a worker, by clients that are not frontserve."""

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
from tests.stack.attacks.http_client import TIMEOUT_S, describe
from tests.stack.attacks.namespaces import run_in_namespace
from tests.stack.attacks.target import Target
from tests.stack.rig import wait_for

GREETING = "hello"
NOT_AUTHORIZED = "^403 .*refused"
LOG = (
    "/v1/client/fs/logs/{backserve_allocation}"
    "?task=backserve&type=stdout&plain=true&origin=end&offset=4000"
)
LOG_TIMEOUT_S = 5.0
INTENTION_TIMEOUT_S = 10.0
"""Until the agents on the workers apply a changed intention."""
MUTUAL_TLS, INTENTIONS = "mutual TLS of the mesh", "Consul intentions"


def get_greeting(target: Target, credentials: Credentials | None, scheme: str = "") -> Outcome:
    """Request backserve's greeting, with a mesh certificate or without one.

    If the connection fails, the detail includes what backserve logs: it does not tell the client
    why a handshake fails.
    """
    url = urlsplit(target.backserve_url)
    address = (url.hostname or "", url.port or 0)
    context = _tls_context(target, credentials) if (scheme or url.scheme) == "https" else None
    log = _read_log(target)
    try:
        answer = run_in_namespace(target.worker_position.namespace, lambda: _get(address, context))
    except (OSError, HTTPException) as error:
        return Outcome(False, f"{describe(error)}; backserve logs: {_new_log_line(target, log)}")
    return Outcome(answer.startswith("200 ") and GREETING in answer, answer)


def _get(address: tuple[str, int], context: ssl.SSLContext | None) -> str:
    with socket.create_connection(address, TIMEOUT_S) as plain:
        connection = HTTPConnection(*address)
        connection.sock = context.wrap_socket(plain) if context else plain
        connection.request("GET", "/")
        response = connection.getresponse()
        return f"{response.status} {response.read().decode(errors='replace').strip()}"


def _read_log(target: Target) -> str:
    return target.nomad_as_manager(target.fill(LOG)).text


def _new_log_line(target: Target, before: str) -> str:
    last = before.splitlines()[-1:]
    deadline = time.monotonic() + LOG_TIMEOUT_S
    while (lines := _read_log(target).splitlines())[-1:] == last and time.monotonic() < deadline:
        time.sleep(0.1)
    return lines[-1] if lines else ""


def _tls_context(target: Target, credentials: Credentials | None) -> ssl.SSLContext:
    """Return a context without host name checks, because mesh certificates name no hosts."""
    roots = target.consul_as_manager("/v1/agent/connect/ca/roots").json["Roots"]
    context = mtls.context(credentials) if credentials else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata="\n".join(root["RootCert"] for root in roots))
    return context


def leaf_certificate(target: Target, service: str) -> Credentials:
    """Return a mesh certificate of the service.

    A prime signs it, so that no worker's agent caches it.
    """
    leaf = target.consul_as_manager(f"/v1/agent/connect/ca/leaf/{service}").json
    return Credentials(
        authority=forged_certificates.AUTHORITY.pem,
        certificate=leaf["CertPEM"],
        key=leaf["PrivateKeyPEM"],
    )


@contextmanager
def intention_denied(target: Target) -> Iterator[None]:
    """Deny frontserve access to backserve until the block ends."""
    path = "/v1/config/service-intentions/backserve"
    entry = target.consul_as_manager(path)
    denial = {
        "Kind": "service-intentions",
        "Name": "backserve",
        "Sources": [{"Name": "frontserve", "Action": "deny"}],
    }
    target.consul_as_manager("/v1/config", "PUT", denial)
    try:
        yield
    finally:
        if entry.status == 200:
            restored = target.consul_as_manager("/v1/config", "PUT", entry.json)
        else:
            restored = target.consul_as_manager(path, "DELETE")
        assert restored.status == 200, restored.detail


def _as_service(service: str) -> Callable[[Target], Outcome]:
    return lambda target: get_greeting(target, leaf_certificate(target, service))


def _denied_by_intention(target: Target) -> Outcome:
    """Use one certificate before and after the intention changes, so that only it decides."""
    credentials = leaf_certificate(target, "frontserve")

    def is_allowed() -> bool:
        return get_greeting(target, credentials).succeeded

    assert is_allowed()
    with intention_denied(target):
        if target.is_protected:
            wait_for(lambda: not is_allowed(), INTENTION_TIMEOUT_S)
        outcome = get_greeting(target, credentials)
    assert wait_for(is_allowed, INTENTION_TIMEOUT_S), "frontserve stays denied"
    return outcome


def _with_forged_certificate(target: Target) -> Outcome:
    """Present a certificate with frontserve's names, signed by the attacker's authority."""
    genuine = leaf_certificate(target, "frontserve")
    return get_greeting(target, forged_certificates.AUTHORITY.copy_of(genuine))


ATTACKS = [
    Attack(
        "Send a request over plain HTTP",
        lambda target: get_greeting(target, None, "http"),
        "HTTP_REQUEST",
        MUTUAL_TLS,
    ),
    Attack(
        "Send a request without a client certificate",
        lambda target: get_greeting(target, None),
        "did not return a certificate",
        MUTUAL_TLS,
    ),
    Attack(
        "Send a request with frontserve's names in a certificate of another authority",
        _with_forged_certificate,
        "CERTIFICATE_VERIFY_FAILED",
        MUTUAL_TLS,
    ),
    Attack(
        "Send a request as another service of the mesh",
        _as_service("stranger"),
        NOT_AUTHORIZED,
        INTENTIONS,
    ),
    Attack(
        "Send a request as another backserve", _as_service("backserve"), NOT_AUTHORIZED, INTENTIONS
    ),
    Attack(
        "Send a request as frontserve while an intention denies it",
        _denied_by_intention,
        NOT_AUTHORIZED,
        INTENTIONS,
    ),
]
