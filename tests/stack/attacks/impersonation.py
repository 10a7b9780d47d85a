"""Attacks by a server at a machine's address, to receive what is meant for the machine."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import paramiko
from paramiko.common import AUTH_SUCCESSFUL

from infra import mtls
from infra.mtls import Credentials
from tests.infra.support.ssh_machine import Machine, key_pair
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import ApiClient
from tests.stack.attacks.target import Target

FALSE_ADDRESS = "127.77.0.1"
"""A loopback address that no certificate names."""
NOT_SENT = "a host key that is not the machine's.*Nothing was sent"
HOST_KEY = "the known host key"


class FalseMachine(Machine):
    """Accepts every login, and answers like a machine that accepts the delivery."""

    def __init__(self, host_key: str) -> None:
        super().__init__(host_key, "", lambda given: (0, '{"outcome": "started"}\n', ""))

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL


def _deliver(target: Target, host_key: str) -> Outcome:
    machine = FalseMachine(host_key)
    machine.listen()
    try:
        result = target.deliver("127.0.0.1", machine.port)
    finally:
        machine.close()
    return Outcome(any(machine.given), result)


@contextmanager
def false_api(credentials: Credentials | None) -> Iterator[tuple[str, list[str]]]:
    """Serve an API that accepts every request, over TLS if there is a certificate.

    Yields its URL and the list of the tokens that it receives.
    """
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("X-Consul-Token", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Ignore clients that close the connection during the handshake."""

    server = Server((FALSE_ADDRESS, 0), Handler)
    if credentials:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = f"{credentials['certificate'].rstrip()}\n{credentials['key']}"
        with mtls._file(pem) as file:
            context.load_cert_chain(file)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    scheme = "https" if credentials else "http"
    try:
        yield f"{scheme}://{FALSE_ADDRESS}:{server.server_port}", tokens
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _call_false_prime(target: Target) -> Outcome:
    """Call a server that has a worker's certificate, with the operator's certificate and token."""
    with false_api(target.certificates["worker"]) as (url, tokens):
        client = ApiClient(
            url, target.consul.token_header, credentials=target.certificates["operator"]
        )
        response = client.request("GET", "/v1/agent/self", "a token")
    return Outcome("a token" in tokens, response.detail)


ATTACKS = [
    Attack(
        "Receive a worker's secrets with another host key",
        lambda target: _deliver(target, key_pair()[1]),
        NOT_SENT,
        HOST_KEY,
    ),
    Attack(
        "Receive a worker's secrets with the first boot's host key",
        lambda target: _deliver(target, target.first_boot_key[1]),
        NOT_SENT,
        HOST_KEY,
    ),
    Attack(
        "Receive the operator's token with a worker's certificate in place of a prime's",
        _call_false_prime,
        "IP address mismatch",
        "the address in a prime's certificate",
    ),
]
