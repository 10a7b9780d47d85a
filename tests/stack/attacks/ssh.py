"""SSH into a machine by somebody who has a key, though not for that."""

from collections.abc import Callable

import paramiko

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import words
from tests.stack.attacks.shell import CONNECT_SECONDS, Login, greeted
from tests.stack.attacks.target import Victim

PASSWORD = "correct horse battery staple"
"""The twin's root has it."""
SFTP_HELLO = b"\0\0\0\5\1\0\0\0\3"
SFTP_SECONDS = 2.0
"""For an answer, which a server of files gives at once. What complaints there are sshd keeps to itself."""
AGENT = ("127.0.0.1", 8500)


def _tried(victim: Victim, work: Callable[[paramiko.Transport], Outcome]) -> Outcome:
    """On the worker; what the server or the library says in refusing is what was seen."""
    transport = greeted(victim.worker.public)
    try:
        return work(transport)
    except (paramiko.SSHException, EOFError, OSError) as refused:
        return Outcome(False, words(refused))
    finally:
        transport.close()


def _admitted(transport: paramiko.Transport, by: Login) -> paramiko.Transport:
    transport.auth_publickey(by.user, by.loaded)
    return transport


def _said(transport: paramiko.Transport, command: str) -> str:
    channel = transport.open_session(timeout=CONNECT_SECONDS)
    channel.settimeout(CONNECT_SECONDS)
    channel.exec_command(command)
    channel.shutdown_write()
    return (channel.makefile("rb").read() + channel.makefile_stderr("rb").read()).decode(
        errors="replace"
    )


def _as_root(victim: Victim) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        said = _said(_admitted(transport, Login("root", victim.administrator.key)), "id")
        return Outcome("uid=0" in said, said)

    return _tried(victim, work)


def _by_password(victim: Victim) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        transport.auth_password("root", PASSWORD, fallback=False)
        return Outcome(transport.is_authenticated(), "authenticated")

    return _tried(victim, work)


def _command(victim: Victim) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        said = _said(_admitted(transport, victim.provisioner), "id")
        return Outcome("uid=" in said, said)

    return _tried(victim, work)


def _terminal(victim: Victim) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        channel = _admitted(transport, victim.provisioner).open_session(timeout=CONNECT_SECONDS)
        channel.settimeout(CONNECT_SECONDS)
        channel.get_pty()
        channel.invoke_shell()
        channel.sendall(b"echo $((6 * 7)) in a shell\nexit\n")
        said = channel.makefile("rb").read().decode(errors="replace")
        return Outcome("42 in a shell" in said, said)

    return _tried(victim, work)


def _forwarding(victim: Victim) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        channel = _admitted(transport, victim.provisioner).open_channel(
            "direct-tcpip", AGENT, AGENT, timeout=CONNECT_SECONDS
        )
        return Outcome(channel.get_id() >= 0, f"a way to {AGENT}")

    return _tried(victim, work)


def _files(victim: Victim) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        channel = _admitted(transport, victim.provisioner).open_session(timeout=CONNECT_SECONDS)
        channel.settimeout(SFTP_SECONDS)
        channel.invoke_subsystem("sftp")
        channel.sendall(SFTP_HELLO)
        try:
            return Outcome(True, f"an answer to a greeting: {channel.recv(100)!r}")
        except TimeoutError:
            channel.shutdown_write()
        return Outcome(
            False,
            f"no answer to a greeting; what runs there ends with {channel.recv_exit_status()}",
        )

    return _tried(victim, work)


NO_BUNDLE = "tool-enrol: the bundle is not JSON"
"""From the one program that the key runs."""
ATTACKS = [
    Attack("The administrator's key logs in as root", _as_root, "AuthenticationException"),
    Attack("A password logs in", _by_password, r"BadAuthenticationType.*\['publickey'\]"),
    Attack("The key of who sets machines up runs a command of the attacker's", _command, NO_BUNDLE),
    Attack(
        "The key of who sets machines up has a terminal", _terminal, "SSHException: Channel closed"
    ),
    Attack(
        "The key of who sets machines up forwards a port",
        _forwarding,
        "Administratively prohibited",
    ),
    Attack("The key of who sets machines up reads files", _files, "no answer .* ends with 1$"),
]
