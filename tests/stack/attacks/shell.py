"""SSH as an attacker and as a referee use it: keys in memory, the host's key known or looked at, one connection for many commands."""

import io
import shlex
import socket
import threading
from dataclasses import dataclass, field

import paramiko

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0


@dataclass(frozen=True)
class Login:
    """A user and his private key, OpenSSH's own form."""

    user: str
    key: str = field(repr=False)

    @property
    def loaded(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.key))


def greeted(address: str, port: int = 22) -> paramiko.Transport:
    """A connection in which nobody has said yet who he is; whose host key it was is the caller's to look at.

    Raises:
        OSError: nobody listens.
        paramiko.SSHException: it is no SSH server.
    """
    transport = paramiko.Transport(
        socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    )
    transport.start_client(timeout=CONNECT_SECONDS)
    return transport


@dataclass
class Shell:
    """Root's shell on a machine that is known by its host key; ``by`` is root, or may become root by sudo."""

    address: str
    host_key: str
    """Public half."""
    by: Login
    _transport: paramiko.Transport | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, command: str, user: str = "root", stdin: str = "") -> str:
        """What the command printed.

        Raises:
            AssertionError: it failed; with what it said.
        """
        status, out, err = self.tried(command, user, stdin)
        assert status == 0, f"{command[:200]}: {status} {err[-2000:]}"
        return out

    def tried(self, command: str, user: str = "root", stdin: str = "") -> tuple[int, str, str]:
        """Status, output and complaints of a command that may fail."""
        as_user = f"sh -c {shlex.quote(command)}"
        if user != self.by.user:
            as_user = f"sudo -n -u {user} {as_user}"
        channel = self._connected().open_session(timeout=CONNECT_SECONDS)
        channel.settimeout(COMMAND_SECONDS)
        channel.exec_command(as_user)
        channel.sendall(stdin.encode())
        channel.shutdown_write()
        out, err = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
        return (
            channel.recv_exit_status(),
            out.decode(errors="replace"),
            err.decode(errors="replace"),
        )

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def _connected(self) -> paramiko.Transport:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                transport = greeted(self.address)
                shown = transport.get_remote_server_key()
                assert shown.get_base64() == self.host_key.split()[1], (
                    f"{self.address} shows another host key"
                )
                transport.auth_publickey(self.by.user, self.by.loaded)
                self._transport = transport
            return self._transport
