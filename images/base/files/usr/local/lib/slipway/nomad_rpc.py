"""A call of a Nomad server's RPC port, which is open to every node, without a token."""

import contextlib
import socket

import node_tls

PORT = 4647
SERVER_NAME = "server.global.nomad"
"""The name in a server's certificate, whatever its address. No other certificate has it."""

PROTOCOL_TLS = b"\x04"
"""The first byte of a connection: TLS follows."""
PROTOCOL_NOMAD = b"\x01"
"""The first byte inside TLS: Go's net/rpc follows, encoded in MessagePack."""
TIMEOUT_S = 0.5
CHUNK_BYTES = 65536


def _encode_string(value: str) -> bytes:
    """Return ``value`` as a MessagePack string; it may have at most 31 bytes."""
    return bytes([0xA0 | len(value)]) + value.encode()


REQUEST = (
    PROTOCOL_NOMAD
    + b"\x82"  # Map of two entries: the call.
    + (_encode_string("ServiceMethod") + _encode_string("Keyring.ListPublic"))
    + (_encode_string("Seq") + b"\x00")
    + b"\x82"  # Map of two entries: its arguments.
    + (_encode_string("Region") + _encode_string("global"))
    + (_encode_string("AllowStale") + b"\xc3")
)
"""The only call that needs no token and shows whether the server can sign client identities."""

KEY_FIELD = _encode_string("KeyID")
"""A field of the response if the server has a key."""


def accepts_registrations(host: str) -> bool:
    """Return whether the Nomad server at ``host`` accepts client registrations.

    Right after the first election it has no signing key, and refuses every client.
    """
    response = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, PORT), timeout=TIMEOUT_S) as plain,
    ):
        plain.sendall(PROTOCOL_TLS)
        context = node_tls.create_context()
        with context.wrap_socket(plain, server_hostname=SERVER_NAME) as connection:
            connection.sendall(REQUEST)
            while KEY_FIELD not in response and (chunk := connection.recv(CHUNK_BYTES)):
                response += chunk
    return KEY_FIELD in response
