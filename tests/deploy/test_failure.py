"""Failures show the cause of an error without the noise around it."""

import pytest
from pulumi.automation import CommandError, CommandResult
from pulumi.automation.events import DiagnosticEvent

from deploy import failure
from deploy.failure import Failure

DROPLET = (
    "urn:pulumi:dev::slipway::slipway:infra:Workers$"
    "digitalocean:index/droplet:Droplet::worker01nyc3"
)


def error(message: str, urn: str | None = None, severity: str = "error") -> DiagnosticEvent:
    return DiagnosticEvent(message, "never", severity, urn=urn)


def test_a_resources_error_carries_its_name_and_type() -> None:
    event = error(
        "<{%reset%}>POST /v2/droplets: 422 You specified an invalid size<{%reset%}>\n", DROPLET
    )
    assert failure.of_event(event) == Failure(
        "worker01nyc3", "Droplet", "POST /v2/droplets: 422 You specified an invalid size"
    )


@pytest.mark.parametrize(
    "noise",
    [
        "update failed",
        "error: preview failed",
        "resource worker01nyc3 has 2 errors",
        "update canceled",
        " \n",
    ],
)
def test_a_headline_is_no_failure(noise: str) -> None:
    assert failure.of_event(error(noise)) is None


def test_only_errors_are_failures() -> None:
    assert failure.of_event(error("droplet is created", DROPLET, severity="info")) is None


def test_a_stack_trace_is_cut_to_the_exception_with_all_its_lines() -> None:
    text = """Program failed with an unhandled exception:
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
KeyError: 1

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in g
    raise E
slipway.SettingsError: 2 problems:
  - region
  - workers"""
    assert failure.cause(text) == "slipway.SettingsError: 2 problems:\n  - region\n  - workers"


def test_a_stack_trace_of_a_bare_exception_is_cut_to_its_message() -> None:
    """The SDK raises one if a function of a provider fails."""
    text = """Program failed with an unhandled exception:
Traceback (most recent call last):
  File "rpc.py", line 629, in serialize_property
    data = await output._data
Exception: invoke of consul:index/f:f failed: Connection refused"""
    assert failure.cause(text) == "invoke of consul:index/f:f failed: Connection refused"


def test_a_lock_is_reported_with_its_remedy() -> None:
    stderr = (
        "error: the stack is currently locked by 1 lock(s). "
        "Either wait for the other process(es) to end or delete the lock file "
        "with `pulumi cancel`.\n"
        "  file:///state/lock.json: created by me@here (pid 7) at 2026-01-02T03:04:05Z"
    )
    error = CommandError(CommandResult(stdout="", stderr=stderr, code=255))
    reported = failure.of_command(error, "dev")
    assert reported.message.startswith(
        "another update holds the stack's lock (created by me@here (pid 7)"
    )
    assert "`pulumi cancel --yes --stack dev`" in reported.message


def test_a_missing_backend_is_reported_with_its_remedy() -> None:
    stderr = "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"
    error = CommandError(CommandResult(stdout="", stderr=stderr, code=255))
    assert "PULUMI_BACKEND_URL" in failure.of_command(error, "dev").message


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        (
            "Pulumi.dev.yaml and its environment have 1 problem; nothing was changed:\n"
            "  - region: no",
            True,
        ),
        (
            "SettingsError: Pulumi.dev.yaml and its environment have 2 problems; "
            "nothing was changed:",
            True,
        ),
        ("Pulumi could not reach the API", False),
    ],
)
def test_wrong_settings_are_recognized(message: str, wrong: bool) -> None:
    assert Failure("", "", message).is_wrong_settings is wrong


def test_pending_operations_are_listed_once_each() -> None:
    lines = f"  * {DROPLET}, interrupted while creating\n" * 2
    message = (
        "Attempting to deploy or update resources with 2 pending operations "
        f"from previous deployment.\n{lines}"
    )
    assert failure.pending_operations(message) == ["worker01nyc3, interrupted while creating"]
    assert failure.pending_operations("anything else") == []
