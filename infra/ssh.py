"""Delivery of data to a machine over SSH, as soon as the machine accepts connections.

The host keys are known beforehand. All keys stay in memory.
"""

import io
import logging
import socket
import time
from collections.abc import Callable, Collection

import paramiko

PORT = 22
USER = "enrol"
COMMAND = "tool-enrol"
"""For the machine's log only: with the enrolment key, sshd always runs the same command."""

CONNECT_TIMEOUT_S = 2.0
"""Short, because a machine that still boots drops packets."""
HANDSHAKE_TIMEOUT_S = 10.0
"""For each of: banner, key exchange, authentication, channel, exit status."""
DELIVERY_TIMEOUT_S = 120.0
"""For the command, as long as it prints nothing."""
MIN_PAUSE_S, MAX_PAUSE_S = 0.1, 1.0
"""Between two attempts."""
MAX_REJECTION_S = 10.0
"""How long attempts may be rejected: sshd may restart with other keys while the machine boots."""

# Exceptions report all failures. Paramiko's log would repeat each in many lines.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class DeliveryError(Exception):
    """The delivery failed. The message names the cause, and contains no secret."""


class RejectedError(Exception):
    """The host key is unknown, or the command failed; another attempt may succeed."""


class ConnectionLostError(Exception):
    """There is no connection, or it ended before the command."""


def deliver(
    host: str,
    key: str,
    host_keys: Collection[str],
    content: Callable[[], bytes],
    timeout_s: float,
    report: Callable[[str], None],
) -> str:
    """Run the machine's command with ``content`` as standard input; return its standard output.

    Args:
        key: private key of the user, OpenSSH.
        host_keys: accepted host keys, OpenSSH; Ed25519 only.
        content: is called when the host key is verified.
        timeout_s: time until the last attempt.
        report: is called with every new reason to wait.

    Raises:
        DeliveryError: no connection in time, or rejected again and again.
    """
    start, pause_s, reported = time.monotonic(), MIN_PAUSE_S, ""
    first_rejection: float | None = None
    while True:
        try:
            return attempt(host, key, host_keys, content)
        except ConnectionLostError as error:
            reason, first_rejection = str(error), None
            if time.monotonic() - start > timeout_s:
                raise DeliveryError(
                    f"no delivery to {host} within {timeout_s:.0f} s: {reason}"
                ) from error
        except RejectedError as error:
            reason, now = str(error), time.monotonic()
            first_rejection = first_rejection or now
            if now - first_rejection > min(MAX_REJECTION_S, timeout_s):
                raise DeliveryError(reason) from error
        if reason != reported:
            report(reason)
            reported = reason
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, MAX_PAUSE_S)


def attempt(host: str, key: str, host_keys: Collection[str], content: Callable[[], bytes]) -> str:
    """Make one attempt; return the command's standard output.

    Raises:
        ConnectionLostError: there is no connection, or it ends before the command.
        RejectedError: the host key is unknown, and nothing was sent; or the command failed.
    """
    transport = None
    try:
        connection = socket.create_connection((host, PORT), timeout=CONNECT_TIMEOUT_S)
        transport = paramiko.Transport(connection)
        transport.get_security_options().key_types = ("ssh-ed25519",)
        transport.banner_timeout = transport.auth_timeout = HANDSHAKE_TIMEOUT_S
        transport.start_client(timeout=HANDSHAKE_TIMEOUT_S)
        host_key = transport.get_remote_server_key()
        if host_key.get_base64() not in {public.split()[1] for public in host_keys}:
            raise RejectedError(
                f"{host} shows a host key that is not the machine's ({host_key.fingerprint}). "
                "Another machine answers at its address, or its host keys were changed by hand. "
                "Nothing was sent"
            )
        transport.auth_publickey(USER, paramiko.Ed25519Key.from_private_key(io.StringIO(key)))
        return _run(transport.open_session(timeout=HANDSHAKE_TIMEOUT_S), content())
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise ConnectionLostError(f"{type(error).__name__}: {error}".removesuffix(": ")) from error
    finally:
        if transport:
            transport.close()


def _run(channel: paramiko.Channel, content: bytes) -> str:
    channel.settimeout(DELIVERY_TIMEOUT_S)
    channel.exec_command(COMMAND)
    channel.sendall(content)
    channel.shutdown_write()
    stdout, stderr = (
        stream.read().decode(errors="replace")
        for stream in (channel.makefile("rb"), channel.makefile_stderr("rb"))
    )
    # A machine that reboots may disconnect before it sends the exit status.
    has_status = channel.status_event.wait(HANDSHAKE_TIMEOUT_S)
    status = channel.recv_exit_status() if has_status else -1
    if status > 0:
        raise RejectedError(
            "; ".join(stderr.strip().splitlines()[-5:]) or f"{COMMAND} failed with status {status}"
        )
    if status < 0 and not stdout.endswith("\n"):
        raise ConnectionLostError("the connection ended before the command")
    return stdout
