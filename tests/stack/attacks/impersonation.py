"""Somebody else at the address of a machine, to whom its keepers turn with what is for that machine alone."""

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
from tests.infra.ssh_machine import Machine, key_pair
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import Api
from tests.stack.attacks.target import Victim

ELSEWHERE = "127.77.0.1"
"""An address of this machine's that no certificate names."""


NOT_SENT = "a host key that is not the machine's.*Nothing was sent"


class Impostor(Machine):
    """Lets everybody in, and says what a machine says that took what it was given."""

    def __init__(self, host_key: str) -> None:
        super().__init__(host_key, "", lambda given: (0, '{"outcome": "started"}\n', ""))

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL


def _delivered(victim: Victim, host_key: str) -> Outcome:
    impostor = Impostor(host_key)
    impostor.listen()
    try:
        said = victim.deliver("127.0.0.1", impostor.port)
    finally:
        impostor.close()
    return Outcome(any(impostor.given), said)


@contextmanager
def answering(shown: Credentials | None) -> Iterator[tuple[str, list[str]]]:
    """An API that takes every request, by TLS if it has a certificate: its URL, and the tokens that it was shown."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("X-Consul-Token", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Quiet: whoever knows better ends the connection."""

    server = Server((ELSEWHERE, 0), Handler)
    if shown:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with mtls._file(f"{shown['certificate'].rstrip()}\n{shown['key']}") as both:
            context.load_cert_chain(both)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"{'https' if shown else 'http'}://{ELSEWHERE}:{server.server_port}", tokens
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _asked(victim: Victim) -> Outcome:
    """The impostor has a worker's certificate, and the administrator his own and his token."""
    with answering(victim.certificates["worker"]) as (url, tokens):
        answer = Api(url, victim.consul.token_header, shown=victim.certificates["operator"]).ask(
            "GET", "/v1/agent/self", "a token"
        )
    return Outcome("a token" in tokens, answer.seen)


ATTACKS = [
    Attack(
        "Somebody with a host key of his own is given a node's secrets",
        lambda victim: _delivered(victim, key_pair()[1]),
        NOT_SENT,
    ),
    Attack(
        "Somebody with the first boot's host key is given a node's secrets",
        lambda victim: _delivered(victim, victim.first_boot[1]),
        NOT_SENT,
    ),
    Attack(
        "A worker's certificate passes for a prime's, and gets the operator's token",
        _asked,
        "IP address mismatch",
    ),
]
