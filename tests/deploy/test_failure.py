"""Errors are cut down to their cause."""

import pytest
from pulumi.automation import CommandError, CommandResult
from pulumi.automation.events import DiagnosticEvent

from deploy import failure
from deploy.failure import Failure

DROPLET = "urn:pulumi:dev::slipway::slipway:infra:Workers$digitalocean:index/droplet:Droplet::worker01nyc3"


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
def test_what_only_repeats_that_it_failed_is_left_out(noise: str) -> None:
    assert failure.of_event(error(noise)) is None


def test_only_errors_are_failures() -> None:
    assert failure.of_event(error("a droplet is being made", DROPLET, severity="info")) is None


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


def test_a_lock_is_told_with_its_remedy() -> None:
    stderr = (
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file "
        "with `pulumi cancel`.\n  file:///state/lock.json: created by me@here (pid 7) at 2026-01-02T03:04:05Z"
    )
    told = failure.of_command(CommandError(CommandResult(stdout="", stderr=stderr, code=255)))
    assert told.message.startswith(
        "another update holds the stack's lock (created by me@here (pid 7)"
    )
    assert "pulumi cancel" in told.message


def test_a_missing_backend_is_told_with_what_to_set() -> None:
    stderr = "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"
    assert (
        "PULUMI_BACKEND_URL"
        in failure.of_command(
            CommandError(CommandResult(stdout="", stderr=stderr, code=255))
        ).message
    )


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        (
            "Pulumi.dev.yaml and its environment have 1 problem; nothing was touched:\n  - region: no",
            True,
        ),
        (
            "SettingsError: Pulumi.dev.yaml and its environment have 2 problems; nothing was touched:",
            True,
        ),
        ("Pulumi could not reach the API", False),
    ],
)
def test_wrong_settings_are_told_apart(message: str, wrong: bool) -> None:
    assert failure.wrong_settings(Failure("", "", message)) is wrong


def test_interrupted_operations_are_told_once_each() -> None:
    lines = f"  * {DROPLET}, interrupted while creating\n" * 2
    message = f"Attempting to deploy or update resources with 2 pending operations from previous deployment.\n{lines}"
    assert failure.pending(message) == ["worker01nyc3, interrupted while creating"]
    assert failure.pending("anything else") == []
