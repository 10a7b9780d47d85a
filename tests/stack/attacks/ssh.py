"""Attacks over SSH by the holder of a key that is valid, but not for this purpose."""

from collections.abc import Callable

import paramiko

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import describe
from tests.stack.attacks.shell import CONNECT_TIMEOUT_S, Login, connect
from tests.stack.attacks.target import Target

PASSWORD = "correct horse battery staple"
"""Of root on the unprotected control."""
SFTP_HELLO = b"\0\0\0\5\1\0\0\0\3"
SFTP_TIMEOUT_S = 2.0
"""An SFTP server answers at once; a refusal is silent."""
CONSUL_AGENT = ("127.0.0.1", 8500)


def _attempt(target: Target, work: Callable[[paramiko.Transport], Outcome]) -> Outcome:
    """Run ``work`` on a connection to the worker; an SSH error is a refusal."""
    transport = connect(target.worker.public)
    try:
        return work(transport)
    except (paramiko.SSHException, EOFError, OSError) as error:
        return Outcome(False, describe(error))
    finally:
        transport.close()


def _log_in(transport: paramiko.Transport, login: Login) -> paramiko.Transport:
    transport.auth_publickey(login.user, login.private_key)
    return transport


def _run(transport: paramiko.Transport, command: str) -> str:
    """Return the command's output and error output."""
    channel = transport.open_session(timeout=CONNECT_TIMEOUT_S)
    channel.settimeout(CONNECT_TIMEOUT_S)
    channel.exec_command(command)
    channel.shutdown_write()
    output = channel.makefile("rb").read() + channel.makefile_stderr("rb").read()
    return output.decode(errors="replace")


def _log_in_as_root(target: Target) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        output = _run(_log_in(transport, Login("root", target.admin_login.key)), "id")
        return Outcome("uid=0" in output, output)

    return _attempt(target, work)


def _log_in_by_password(target: Target) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        transport.auth_password("root", PASSWORD, fallback=False)
        return Outcome(transport.is_authenticated(), "authenticated")

    return _attempt(target, work)


def _run_command(target: Target) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        output = _run(_log_in(transport, target.enrol_login), "id")
        return Outcome("uid=" in output, output)

    return _attempt(target, work)


def _open_terminal(target: Target) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        session = _log_in(transport, target.enrol_login)
        channel = session.open_session(timeout=CONNECT_TIMEOUT_S)
        channel.settimeout(CONNECT_TIMEOUT_S)
        channel.get_pty()
        channel.invoke_shell()
        channel.sendall(b"echo $((6 * 7)) in a shell\nexit\n")
        output = channel.makefile("rb").read().decode(errors="replace")
        return Outcome("42 in a shell" in output, output)

    return _attempt(target, work)


def _forward_port(target: Target) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        channel = _log_in(transport, target.enrol_login).open_channel(
            "direct-tcpip", CONSUL_AGENT, CONSUL_AGENT, timeout=CONNECT_TIMEOUT_S
        )
        return Outcome(channel.get_id() >= 0, f"a channel to {CONSUL_AGENT}")

    return _attempt(target, work)


def _transfer_files(target: Target) -> Outcome:
    def work(transport: paramiko.Transport) -> Outcome:
        session = _log_in(transport, target.enrol_login)
        channel = session.open_session(timeout=CONNECT_TIMEOUT_S)
        channel.settimeout(SFTP_TIMEOUT_S)
        channel.invoke_subsystem("sftp")
        channel.sendall(SFTP_HELLO)
        try:
            return Outcome(True, f"SFTP answers: {channel.recv(100)!r}")
        except TimeoutError:
            channel.shutdown_write()
        status = channel.recv_exit_status()
        return Outcome(False, f"SFTP does not answer; the command exits with {status}")

    return _attempt(target, work)


INVALID_BUNDLE = "tool-enrol: the bundle is not JSON"
"""From the only program that the enrolment key runs."""
FORCED_COMMAND = "the key's forced command and restrictions"
ATTACKS = [
    Attack(
        "Log in as root with the administrator's key",
        _log_in_as_root,
        "AuthenticationException",
        "sshd's configuration",
    ),
    Attack(
        "Log in with a password",
        _log_in_by_password,
        r"BadAuthenticationType.*\['publickey'\]",
        "sshd's configuration",
    ),
    Attack(
        "With the enrolment key: run another command", _run_command, INVALID_BUNDLE, FORCED_COMMAND
    ),
    Attack(
        "With the enrolment key: open a terminal",
        _open_terminal,
        "SSHException: Channel closed",
        FORCED_COMMAND,
    ),
    Attack(
        "With the enrolment key: forward a port",
        _forward_port,
        "Administratively prohibited",
        FORCED_COMMAND,
    ),
    Attack(
        "With the enrolment key: transfer files",
        _transfer_files,
        "does not answer.* exits with 1$",
        FORCED_COMMAND,
    ),
]
