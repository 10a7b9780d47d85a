"""SSH connections with keys in memory, where the caller decides about the host key."""

import io
import shlex
import socket
import threading
from dataclasses import dataclass, field

import paramiko

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Login:
    """A user and the private key, OpenSSH format."""

    user: str
    key: str = field(repr=False)

    @property
    def private_key(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.key))


def connect(address: str, port: int = 22) -> paramiko.Transport:
    """Open a connection without logging in. The caller verifies the host key.

    Raises:
        OSError: nothing listens.
        paramiko.SSHException: the server does not speak SSH.
    """
    connection = socket.create_connection((address, port), timeout=CONNECT_TIMEOUT_S)
    transport = paramiko.Transport(connection)
    transport.start_client(timeout=CONNECT_TIMEOUT_S)
    return transport


@dataclass
class Shell:
    """A root shell on a machine whose host key is known, over one connection.

    The login is root, or a user who may run any command with sudo.
    """

    address: str
    host_key: str
    """Public half."""
    login: Login
    _transport: paramiko.Transport | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, command: str, user: str = "root", stdin: str = "") -> str:
        """Return the command's output.

        Raises:
            AssertionError: the command fails; with its error output.
        """
        status, stdout, stderr = self.run_unchecked(command, user, stdin)
        assert status == 0, f"{command[:200]}: {status} {stderr[-2000:]}"
        return stdout

    def run_unchecked(
        self, command: str, user: str = "root", stdin: str = ""
    ) -> tuple[int, str, str]:
        """Return the command's exit status, output and error output."""
        as_user = f"sh -c {shlex.quote(command)}"
        if user != self.login.user:
            as_user = f"sudo -n -u {user} {as_user}"
        channel = self._connection().open_session(timeout=CONNECT_TIMEOUT_S)
        channel.settimeout(COMMAND_TIMEOUT_S)
        channel.exec_command(as_user)
        channel.sendall(stdin.encode())
        channel.shutdown_write()
        stdout, stderr = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
        return (
            channel.recv_exit_status(),
            stdout.decode(errors="replace"),
            stderr.decode(errors="replace"),
        )

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def _connection(self) -> paramiko.Transport:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                transport = connect(self.address)
                host_key = transport.get_remote_server_key().get_base64()
                expected = self.host_key.split()[1]
                assert host_key == expected, f"{self.address} has another host key"
                transport.auth_publickey(self.login.user, self.login.private_key)
                self._transport = transport
            return self._transport
