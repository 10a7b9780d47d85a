"""Whether a Nomad server takes registrations yet, asked on its RPC port, which is open to every node."""

import contextlib
import socket

import node_tls

PORT = 4647
SERVER_NAME = "server.global.nomad"
"""What a server's certificate must say, whatever its address; no other node has such a one."""

PROTOCOL_TLS = b"\x04"
PROTOCOL_NOMAD = b"\x01"
"""First byte of a connection, and then first of what is inside of TLS: RPC, net/rpc in MessagePack."""
ANSWER_SECONDS = 0.5


def _text(value: str) -> bytes:
    """MessagePack's short string, of up to 31 bytes."""
    return bytes([0xA0 | len(value)]) + value.encode()


REQUEST = (
    PROTOCOL_NOMAD
    + b"\x82"  # map of two: the call
    + (_text("ServiceMethod") + _text("Keyring.ListPublic") + _text("Seq") + b"\x00")
    + b"\x82"  # map of two: its arguments
    + (_text("Region") + _text("global") + _text("AllowStale") + b"\xc3")
)
"""The one call that needs no token and tells that the server can sign what it gives a new client."""

KEY = _text("KeyID")
"""Is in the answer once there is a key."""


def takes_registrations(host: str) -> bool:
    """A server without its first key, a moment after the first election, refuses every client."""
    answer = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, PORT), timeout=ANSWER_SECONDS) as plain,
    ):
        plain.sendall(PROTOCOL_TLS)
        with node_tls.context().wrap_socket(plain, server_hostname=SERVER_NAME) as server:
            server.sendall(REQUEST)
            while KEY not in answer and (chunk := server.recv(65536)):
                answer += chunk
    return KEY in answer
