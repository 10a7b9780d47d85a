"""Something is handed to a machine over SSH, as soon as it can take it, and to no other machine.

Host keys are known beforehand; all keys stay in memory.
"""

import io
import logging
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import paramiko

PORT = 22
USER = "enrol"
COMMAND = "tool-enrol"
"""For who reads the machine's log: its key may run nothing else, whatever is asked for."""

CONNECTING = 2.0
"""Seconds that a connection may take; a machine that still boots takes none."""
GREETING = 10.0
"""Seconds for keys and names to be exchanged."""
WORKING = 120.0
"""Seconds of silence in which the machine does what it was asked to."""
PAUSES = (0.1, 1.0)
"""Seconds between the first two tries, and between later ones at most."""
STRANGERS = 5
"""Times in a row that an unknown host key is met before it is no accident of a machine that boots."""

# What goes wrong is told by exceptions; the library's own log would tell it in many lines, for every try.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class DeliveryError(Exception):
    """The machine did not take what it was given; the message names the cause, and no secret."""


class StrangerError(Exception):
    """Somebody answers with a host key that is not the machine's; the message is its fingerprint."""


class BrokenError(Exception):
    """The machine cannot be reached, or not to the end; the message says why."""


@dataclass(frozen=True)
class Done:
    """How the command ended. The status is -1 where the connection ended first."""

    status: int
    stdout: str
    stderr: str


def deliver(host: str, key: str, known: Collection[str], content: Callable[[], bytes], timeout: float, tell: Callable[[str], None]) -> str:
    """Run the machine's command with ``content`` on its standard input, trying until it could be reached; gives its output.

    Args:
        key: the user's private key, OpenSSH.
        known: the machine's public host keys, OpenSSH; all of them Ed25519.
        content: asked for once somebody known listens.
        timeout: seconds until the last try.
        tell: is told why it has to wait, whenever that changes.

    Raises:
        DeliveryError: nobody listened in time, somebody else listens, or the command failed.
    """
    start, pause, strangers, told = time.monotonic(), PAUSES[0], 0, ""
    while True:
        try:
            done = attempt(host, key, known, content)
            if done.status > 0:
                raise DeliveryError(_last(done.stderr) or f"{COMMAND} ended with {done.status}")
            if done.status == 0 or done.stdout:
                return done.stdout
            why = "the connection ended too early"
        except BrokenError as broken:
            why, strangers = str(broken), 0
        except StrangerError as stranger:
            why, strangers = f"unknown host key {stranger}", strangers + 1
            if strangers >= STRANGERS:
                raise DeliveryError(
                    f"{host} shows a host key that is not the machine's ({stranger}): somebody else answers at its address, "
                    "or its keys were changed by hand. Nothing was sent"
                ) from None
        if time.monotonic() - start > timeout:
            raise DeliveryError(f"{host} took nothing within {timeout:.0f} s: {why}")
        if why != told:
            tell(why)
            told = why
        time.sleep(pause)
        pause = min(1.5 * pause, PAUSES[1])


def attempt(host: str, key: str, known: Collection[str], content: Callable[[], bytes]) -> Done:
    """One try.

    Raises:
        BrokenError: there is no connection, or it breaks before the command could tell its end.
        StrangerError: before anything is sent.
    """
    transport = None
    try:
        transport = paramiko.Transport(socket.create_connection((host, PORT), timeout=CONNECTING))
        transport.get_security_options().key_types = ("ssh-ed25519",)
        transport.banner_timeout = transport.auth_timeout = GREETING
        transport.start_client(timeout=GREETING)
        shown = transport.get_remote_server_key()
        if shown.get_base64() not in {public.split()[1] for public in known}:
            raise StrangerError(shown.fingerprint)
        transport.auth_publickey(USER, paramiko.Ed25519Key.from_private_key(io.StringIO(key)))
        return _run(transport.open_session(timeout=GREETING), content())
    except (OSError, EOFError, paramiko.SSHException) as broken:
        raise BrokenError(f"{type(broken).__name__}: {broken}".removesuffix(": ")) from broken
    finally:
        if transport:
            transport.close()


def _run(channel: paramiko.Channel, content: bytes) -> Done:
    channel.settimeout(WORKING)
    channel.exec_command(COMMAND)
    channel.sendall(content)
    channel.shutdown_write()
    stdout, stderr = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
    # A machine that reboots may be gone before it says how the command ended; without a limit this would wait for ever.
    status = channel.recv_exit_status() if channel.status_event.wait(GREETING) else -1
    return Done(status, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def _last(text: str) -> str:
    return "; ".join(text.strip().splitlines()[-5:])
