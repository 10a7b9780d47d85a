"""Delivery over SSH: to the machine that is meant and to no other, however late it listens."""

import io
from collections.abc import Callable, Iterator

import paramiko
import pytest

from infra import ssh
from infra.ssh import DeliveryError
from tests.infra.support.ssh_machine import Machine, key_pair

HOST, HOST_PRIVATE = key_pair()
USER, USER_PRIVATE = key_pair()
CONTENT = b'{"token": "a secret of the bundle"}'


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(HOST_PRIVATE, USER, lambda given: (0, "outcome", ""))
    monkeypatch.setattr(ssh, "PORT", made.port)
    monkeypatch.setattr(ssh, "MIN_PAUSE_S", 0.01)
    monkeypatch.setattr(ssh, "MAX_PAUSE_S", 0.02)
    monkeypatch.setattr(ssh, "HANDSHAKE_TIMEOUT_S", 2.0)
    monkeypatch.setattr(ssh, "MAX_REJECTION_S", 0.1)
    yield made
    made.close()


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def deliver(machine: Machine, reports: list[str]) -> Callable[..., str]:
    """With what is right, unless said otherwise; nothing listens yet."""

    def run(
        *,
        host_keys: tuple[str, ...] = (HOST,),
        key: str = USER_PRIVATE,
        timeout: float = 20,
        on_report: Callable[[], object] = lambda: None,
    ) -> str:
        def report(message: str) -> None:
            reports.append(message)
            on_report()

        return ssh.deliver("127.0.0.1", key, host_keys, lambda: CONTENT, timeout, report)

    return run


def test_content_is_delivered(machine: Machine, deliver: Callable[..., str]) -> None:
    machine.listen()
    assert deliver() == "outcome"
    assert machine.given == [CONTENT]


def test_any_known_host_key_is_accepted(machine: Machine, deliver: Callable[..., str]) -> None:
    machine.listen()
    assert deliver(host_keys=(key_pair()[0], f"{HOST} with a comment")) == "outcome"


def test_a_machine_that_does_not_listen_yet_is_waited_for(
    machine: Machine, deliver: Callable[..., str], reports: list[str]
) -> None:
    assert deliver(on_report=machine.listen) == "outcome"
    assert len(reports) == 1 and reports[0].startswith("ConnectionRefusedError")


def test_a_connection_that_breaks_is_made_again(
    machine: Machine, deliver: Callable[..., str]
) -> None:
    machine.broken = 2
    machine.listen()
    assert deliver() == "outcome"
    assert machine.met == 3


def test_a_delivery_that_breaks_off_is_repeated(
    machine: Machine, deliver: Callable[..., str], reports: list[str]
) -> None:
    machine.command = lambda given: (0, "outcome", "") if len(machine.given) > 1 else (None, "", "")
    machine.listen()
    assert deliver() == "outcome"
    assert machine.given == [CONTENT] * 2
    assert reports == ["the connection ended before the command"]


def test_disconnect_after_the_outcome_is_a_success(
    machine: Machine, deliver: Callable[..., str]
) -> None:
    machine.command = lambda given: (None, "it reboots\n", "")
    machine.listen()
    assert deliver() == "it reboots\n"


def test_unknown_host_key_receives_nothing(machine: Machine, deliver: Callable[..., str]) -> None:
    machine.listen()
    fingerprint = paramiko.PKey.from_type_string(
        "ssh-ed25519", machine.host_key.asbytes()
    ).fingerprint
    with pytest.raises(DeliveryError) as refused:
        deliver(host_keys=(key_pair()[0],))
    assert fingerprint in str(refused.value)
    assert machine.given == []
    assert machine.met > 1


@pytest.mark.parametrize("kind", ["another", "of another kind"])
def test_temporary_wrong_host_key_is_retried(
    machine: Machine,
    deliver: Callable[..., str],
    reports: list[str],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssh, "MAX_REJECTION_S", 10.0)
    right, other = (
        machine.host_key,
        paramiko.Ed25519Key.from_private_key(io.StringIO(key_pair()[1])),
    )
    machine.host_key = other if kind == "another" else paramiko.ECDSAKey.generate()
    machine.listen()
    assert deliver(on_report=lambda: setattr(machine, "host_key", right)) == "outcome"
    assert machine.given == [CONTENT]
    assert len(reports) == 1


def test_temporarily_rejected_user_key_is_retried(
    machine: Machine, deliver: Callable[..., str]
) -> None:
    right, machine.users_key = machine.users_key, key_pair()[0]
    machine.listen()
    assert deliver(on_report=lambda: setattr(machine, "users_key", right)) == "outcome"


def test_timeout_error_names_the_cause(deliver: Callable[..., str]) -> None:
    with pytest.raises(
        DeliveryError, match=r"no delivery to 127.0.0.1 within 0 s: ConnectionRefusedError"
    ):
        deliver(timeout=0)


def test_repeated_rejection_is_an_error(machine: Machine, deliver: Callable[..., str]) -> None:
    machine.command = lambda given: (1, "", "tool-enrol: the certificate is not this node's\n")
    machine.listen()
    with pytest.raises(DeliveryError, match=r"^tool-enrol: the certificate is not this node's$"):
        deliver()
    assert len(machine.given) > 1


def test_failed_command_is_retried(
    machine: Machine, deliver: Callable[..., str], reports: list[str]
) -> None:
    machine.command = lambda given: (
        (0, "outcome", "") if len(machine.given) > 1 else (1, "", "tool-enrol: no private address")
    )
    machine.listen()
    assert deliver() == "outcome"
    assert reports == ["tool-enrol: no private address"]


def test_nothing_is_logged(
    machine: Machine,
    deliver: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    machine.broken = 1
    machine.listen()
    deliver()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
