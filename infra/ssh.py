"""Something is handed to a machine over SSH, as soon as it can take it, and to no other machine.

Host keys are known beforehand; all keys stay in memory.
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
"""For who reads the machine's log: its key may run nothing else, whatever is asked for."""

CONNECTING = 2.0
"""Seconds that a connection may take; a machine that still boots takes none."""
BANNER_TIMEOUT_S = 10.0
"""Seconds for keys and names to be exchanged."""
DELIVERY_TIMEOUT_S = 120.0
"""Seconds of silence in which the machine does what it was asked to."""
PAUSES = (0.1, 1.0)
"""Seconds between the first two tries, and between later ones at most."""
DOUBT = 10.0
"""Seconds that a wrong host key or a refusal has to last before it is no accident of a machine that boots."""

# What goes wrong is told by exceptions; the library's own log would tell it in many lines, for every try.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class DeliveryError(Exception):
    """The machine did not take what it was given; the message names the cause, and no secret."""


class RejectedError(Exception):
    """Something is wrong that a machine which only boots might mend; the message says what, if it does not."""


class ConnectionLostError(Exception):
    """The machine cannot be reached, or not to the end; the message says why."""


def deliver(
    host: str,
    key: str,
    known: Collection[str],
    content: Callable[[], bytes],
    timeout: float,
    tell: Callable[[str], None],
) -> str:
    """Run the machine's command with ``content`` on its standard input, trying until it could be reached; gives its output.

    Args:
        key: the user's private key, OpenSSH.
        known: the machine's public host keys, OpenSSH; all of them Ed25519.
        content: asked for once somebody known listens.
        timeout: seconds until the last try.
        tell: is told why it has to wait, whenever that changes.

    Raises:
        DeliveryError: nobody listened in time; or somebody else listens or the command failed, and that again and again.
    """
    start, pause, told = time.monotonic(), PAUSES[0], ""
    since: float | None = None
    while True:
        try:
            return attempt(host, key, known, content)
        except ConnectionLostError as broken:
            why, since = str(broken), None
            if time.monotonic() - start > timeout:
                raise DeliveryError(
                    f"{host} took nothing within {timeout:.0f} s: {why}"
                ) from broken
        except RejectedError as doubt:
            why, now = str(doubt), time.monotonic()
            since = since or now
            if now - since > min(DOUBT, timeout):
                raise DeliveryError(why) from doubt
        if why != told:
            tell(why)
            told = why
        time.sleep(pause)
        pause = min(1.5 * pause, PAUSES[1])


def attempt(host: str, key: str, known: Collection[str], content: Callable[[], bytes]) -> str:
    """One try; gives the command's output.

    Raises:
        BrokenError: there is no connection, or it breaks before the command could tell its end.
        DoubtError: the host key is unknown, and nothing was sent; or the command failed.
    """
    transport = None
    try:
        transport = paramiko.Transport(socket.create_connection((host, PORT), timeout=CONNECTING))
        transport.get_security_options().key_types = ("ssh-ed25519",)
        transport.banner_timeout = transport.auth_timeout = BANNER_TIMEOUT_S
        transport.start_client(timeout=BANNER_TIMEOUT_S)
        shown = transport.get_remote_server_key()
        if shown.get_base64() not in {public.split()[1] for public in known}:
            raise RejectedError(
                f"{host} shows a host key that is not the machine's ({shown.fingerprint}): somebody else answers at its address, "
                "or its keys were changed by hand. Nothing was sent"
            )
        transport.auth_publickey(USER, paramiko.Ed25519Key.from_private_key(io.StringIO(key)))
        return _run(transport.open_session(timeout=BANNER_TIMEOUT_S), content())
    except (OSError, EOFError, paramiko.SSHException) as broken:
        raise ConnectionLostError(
            f"{type(broken).__name__}: {broken}".removesuffix(": ")
        ) from broken
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
    # A machine that reboots may be gone before it says how the command ended; without a limit this would wait for ever.
    status = channel.recv_exit_status() if channel.status_event.wait(BANNER_TIMEOUT_S) else -1
    if status > 0:
        raise RejectedError(
            "; ".join(stderr.strip().splitlines()[-5:]) or f"{COMMAND} ended with {status}"
        )
    if status < 0 and not stdout.endswith("\n"):
        raise ConnectionLostError("the connection ended too early")
    return stdout
