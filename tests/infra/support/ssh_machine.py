"""An SSH server that runs one command, whatever the client requests."""

import io
import socket
from collections.abc import Callable
from threading import Event, Thread

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

Command = Callable[[bytes], tuple[int | None, str, str]]
"""Standard input -> status, standard output, standard error. Status None ends the connection."""


def key_pair() -> tuple[str, str]:
    """Return the public and the private half of a new key, OpenSSH."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(), private


class Machine(paramiko.ServerInterface):
    """An SSH server for the user ``enrol``. It has a port at once, and listens after ``listen``."""

    def __init__(self, host_key: str, users_key: str, command: Command) -> None:
        self.host_key: paramiko.PKey = paramiko.Ed25519Key.from_private_key(io.StringIO(host_key))
        self.users_key = users_key
        self.command = command
        self.given: list[bytes] = []
        self.met = 0
        """Number of connections."""
        self.broken = 0
        """How many connections to close before the handshake."""
        self._asked = Event()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = Thread(target=self._serve)

    def listen(self) -> None:
        self._socket.listen()
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self.broken = -1
            socket.create_connection(("127.0.0.1", self.port)).close()
            self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self.broken < 0:
                return connection.close()
            self.met += 1
            if self.met <= self.broken:
                connection.close()
                continue
            transport = paramiko.Transport(connection)
            try:
                self._session(transport)
            except (paramiko.SSHException, EOFError, OSError):
                """A client that rejects the host key closes the connection."""
            finally:
                transport.close()

    def _session(self, transport: paramiko.Transport) -> None:
        transport.add_server_key(self.host_key)
        self._asked.clear()
        transport.start_server(server=self)
        channel = transport.accept(5)
        if channel is None:
            return
        self._asked.wait(5)
        self.given.append(channel.makefile("rb").read())
        status, stdout, stderr = self.command(self.given[-1])
        channel.sendall(stdout.encode())
        channel.sendall_stderr(stderr.encode())
        if status is not None:
            channel.send_exit_status(status)
        channel.close()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        ours = username == "enrol" and key.get_base64() == self.users_key.split()[1]
        return AUTH_SUCCESSFUL if ours else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._asked.set()
        return True
