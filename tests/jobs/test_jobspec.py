"""Job specifications: the exact JSON, and the values that are refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.job_builder import WITHOUT_TOKENS, JobDefaults, build_job
from jobs.jobspec import (
    Artifact,
    Block,
    Check,
    Connect,
    Driver,
    Network,
    Port,
    Reschedule,
    Restart,
    Service,
    Task,
    TaskGroup,
    Update,
)
from jobs.jobspec.duration import nanoseconds
from services.duration import parse_duration
from tests.jobs.support.declared import ARTIFACT, group, job, service

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def test_the_job_of_backserve_is_rendered_exactly() -> None:
    check = {
        "Name": "backserve health",
        "Type": "http",
        "Path": "/health",
        "PortLabel": "health",
        "Interval": 2 * SECOND,
        "Timeout": SECOND,
        "CheckRestart": None,
    }
    restarting = {
        **check,
        "Name": "backserve live",
        "Path": "/live",
        "CheckRestart": {"Limit": 15, "Grace": 15 * SECOND, "IgnoreWarnings": False},
    }
    watched = {
        "Name": "backserve-health",
        "PortLabel": "health",
        "Provider": "consul",
        "TaskName": "",
        "Connect": None,
        "Tags": [],
        "Checks": [restarting],
    }
    native = {
        "Name": "backserve",
        "PortLabel": "server",
        "Provider": "consul",
        "TaskName": "backserve",
        "Connect": {"Native": True},
        "Tags": [],
        "Checks": [check],
    }
    task = {
        "Name": "backserve",
        "Driver": "exec",
        "User": "mesh",
        "Config": {
            "command": "/usr/bin/python3",
            "args": ["-I", "-S", "-c", WITHOUT_TOKENS, "local/backserve.pyz"],
            "cap_drop": ["all"],
        },
        "Env": {
            "BACKSERVE_GREETING": "hello",
            "CONSUL_HTTP_TOKEN_FILE": "${NOMAD_SECRETS_DIR}/consul_token",
            "DRAIN_SECONDS": "10",
            "HEALTH_PORT": "${NOMAD_PORT_health}",
            "NODE_NAME": "${node.unique.name}",
            "PORT": "${NOMAD_PORT_server}",
            "SERVICE_VERSION": "a" * 12,
        },
        "Consul": {},
        "Artifacts": [
            {
                "GetterSource": "http://spaces.test/backserve/abc.pyz",
                "GetterOptions": {"checksum": "sha256:" + "a" * 64},
                "GetterMode": "file",
                "RelativeDest": "local/backserve.pyz",
            }
        ],
        "Services": [watched],
        "Resources": {"CPU": 500, "MemoryMB": 100},
        "KillSignal": "SIGTERM",
        "KillTimeout": 40 * SECOND,
    }
    ports = [
        {"Label": "server", "HostNetwork": "default"},
        {"Label": "health", "HostNetwork": "loopback"},
    ]
    assert json.loads(job("backserve").render()) == {
        "Job": {
            "ID": "backserve",
            "Name": "backserve",
            "Type": "service",
            "Datacenters": ["nyc3"],
            "TaskGroups": [
                {
                    "Name": "backserve",
                    "Count": 2,
                    "Networks": [{"ReservedPorts": [], "DynamicPorts": ports}],
                    "Services": [native],
                    "Tasks": [task],
                    "Spreads": [{"Attribute": "${node.unique.name}", "Weight": 100}],
                    "Update": {
                        "MaxParallel": 1,
                        "Canary": 1,
                        "AutoPromote": True,
                        "AutoRevert": True,
                        "HealthCheck": "checks",
                        "MinHealthyTime": 20 * SECOND,
                        "HealthyDeadline": 85 * SECOND,
                        "ProgressDeadline": 90 * SECOND,
                        "Stagger": 30 * SECOND,
                    },
                    "Migrate": {
                        "MaxParallel": 1,
                        "HealthCheck": "checks",
                        "MinHealthyTime": 10 * SECOND,
                        "HealthyDeadline": 5 * MINUTE,
                    },
                    "RestartPolicy": {
                        "Attempts": 1,
                        "Interval": MINUTE,
                        "Delay": 10 * SECOND,
                        "Mode": "fail",
                    },
                    "ReschedulePolicy": {
                        "Attempts": 0,
                        "Interval": 0,
                        "Delay": 5 * SECOND,
                        "DelayFunction": "exponential",
                        "MaxDelay": 20 * SECOND,
                        "Unlimited": True,
                    },
                    "EphemeralDisk": {"SizeMB": 300},
                }
            ],
        }
    }


def test_equal_jobs_render_to_the_same_text() -> None:
    assert job("backserve").render() == job("backserve").render()


def test_frontserve_has_a_fixed_port() -> None:
    frontserve = group(job("frontserve", "raw_exec"))
    port = {"Label": "server", "Value": 8085, "HostNetwork": "default"}
    assert frontserve["Networks"] == [{"ReservedPorts": [port], "DynamicPorts": []}]
    assert frontserve["Tasks"][0]["Driver"] == "raw_exec"


def test_the_prober_is_one_and_small() -> None:
    prober = group(job("prober"))
    assert (prober["Count"], prober["Tasks"][0]["Resources"]) == (1, {"CPU": 100, "MemoryMB": 64})


BACK_WITHIN_S = 60
"""How soon after the end of any trouble all instances must run again."""
REVERTED_WITHIN_S = 120
"""How soon Nomad must restore the former version."""


@pytest.mark.parametrize("name", ["backserve", "frontserve", "prober"])
def test_rescheduling_has_no_limit_and_a_short_delay(name: str) -> None:
    policy = group(job(name))["ReschedulePolicy"]
    assert (policy["Unlimited"], policy["Attempts"]) == (True, 0)
    assert policy["MaxDelay"] < BACK_WITHIN_S * SECOND / 2, "the instance must start, too"


@pytest.mark.parametrize("name", ["backserve", "frontserve", "prober"])
def test_a_bad_version_is_reverted_by_its_deadline(name: str) -> None:
    """Nothing else ends its deployment: the version is rescheduled without a limit."""
    update = group(job(name))["Update"]
    assert update["AutoRevert"]
    assert 0 < update["ProgressDeadline"] < REVERTED_WITHIN_S * SECOND


def changed_update(**changes: Any) -> dict[str, Any]:
    """Return the update block of backserve with ``changes``."""
    times = {
        "min_healthy_time": "20s",
        "healthy_deadline": "10m",
        "progress_deadline": "15m",
        "stagger": "30s",
    }
    return {**service("backserve").update.model_dump(), **times, **changes}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"min_healthy_time": "10m"}, "min_healthy_time must be shorter than healthy_deadline"),
        ({"progress_deadline": "10m"}, "healthy_deadline must be shorter than progress_deadline"),
        ({"canary": 0}, "auto_promote needs a canary"),
        ({"healthy_deadline": "0s"}, "healthy_deadline\n.*longer than 0s"),
        ({"stagger": "0s"}, "stagger\n.*longer than 0s"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"health_check": "hope"}, "health_check"),
        ({"cannary": 1}, "cannary\n.*not permitted"),
        ({"stagger": "half an hour"}, "'half an hour' is not a duration"),
    ],
)
def test_an_update_that_nomad_would_refuse_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Update.model_validate(changed_update(**changes))


@pytest.mark.parametrize(
    ("block", "values", "reason"),
    [
        (Restart, {"attempts": 7, "interval": "1m", "delay": "10s", "mode": "fail"}, "do not fit"),
        (
            Restart,
            {"attempts": 0, "interval": "1m", "delay": "10s", "mode": "delay"},
            "needs attempts",
        ),
        (Restart, {"attempts": 1, "interval": "4s", "delay": "1s", "mode": "fail"}, "at least 5s"),
        (
            Reschedule,
            {"attempts": 1, "interval": "1m", "delay": "5s", "unlimited": True},
            "not both",
        ),
        (
            Reschedule,
            {"attempts": 1, "interval": "10s", "delay": "5s", "unlimited": False},
            "do not fit",
        ),
        (Reschedule, {"delay": "4s", "unlimited": True}, "at least 5s"),
        (
            Reschedule,
            {"delay": "5s", "delay_function": "exponential", "unlimited": True},
            "max_delay",
        ),
        (
            Check,
            {"name": "c", "port": "server", "path": "health", "interval": "2s", "timeout": "1s"},
            "begins with /",
        ),
        (
            Check,
            {"name": "c", "port": "server", "path": "/", "interval": "2s", "timeout": "500ms"},
            "at least 1s",
        ),
        (
            Artifact,
            {"source": "http://a/b", "checksum": "md5:1", "destination": "local/b"},
            "checksum",
        ),
        (
            Artifact,
            {"source": "/etc/passwd", "checksum": "sha256:" + "a" * 64, "destination": "local/b"},
            "source",
        ),
        (Port, {"label": "server", "static": 70000}, "static"),
        (Service, {"name": "Back_Serve", "port": "server"}, "name"),
        (Connect, {"native": False}, "native"),
    ],
)
def test_a_block_that_nomad_would_refuse_is_refused(
    block: type[Any], values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        block.model_validate(values)


@pytest.mark.parametrize("name", ["frontserve", "prober"])
def test_without_connect_the_task_registers_one_service(name: str) -> None:
    rendered = group(job(name))
    [registered] = rendered["Tasks"][0]["Services"]
    assert (rendered["Services"], registered["Name"], registered["Connect"]) == ([], name, None)
    assert [
        (check["Path"], check["PortLabel"], bool(check["CheckRestart"]))
        for check in registered["Checks"]
    ] == [("/health", "server", False), ("/live", "server", True)]
    assert "HEALTH_PORT" not in rendered["Tasks"][0]["Env"]


@pytest.mark.parametrize("driver", ["exec", "raw_exec"])
def test_no_task_runs_as_root_or_has_a_capability(driver: Driver) -> None:
    for name in ("backserve", "frontserve", "prober"):
        [task] = group(job(name, driver))["Tasks"]
        assert task["User"] == "mesh"
        assert task["Config"].get("cap_drop") == (["all"] if driver == "exec" else None), (
            "raw_exec gives an unprivileged user no capability"
        )


def test_a_program_has_no_token_in_its_environment(tmp_path: Path) -> None:
    """Nomad starts it with the token in the environment, and /proc would show it there."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys; print(open('/proc/self/environ').read(), sys.argv[1:], sys.flags.isolated)"
    )
    environment = {
        "CONSUL_TOKEN": "secret-1",
        "CONSUL_HTTP_TOKEN": "secret-2",
        "CONSUL_HTTP_TOKEN_FILE": "/secrets/consul_token",
    }
    command = [
        sys.executable,
        *job("backserve").task_groups[0].tasks[0].args[:-1],
        str(program),
        "more",
    ]
    output = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "CONSUL_HTTP_TOKEN_FILE=/secrets/consul_token" in output
    assert "secret-" not in output
    assert output.endswith("['more'] 0\n"), "the program runs with its arguments, not isolated"


def test_connect_needs_a_service_of_the_group_that_names_its_task() -> None:
    valid = job("backserve").task_groups[0]
    task = valid.tasks[0]
    with pytest.raises(
        ValidationError, match="only a group's service may have connect; remove it from backserve"
    ):
        Task(**{**fields(task), "services": valid.services})
    with pytest.raises(ValidationError, match="names the task other, which the group lacks"):
        TaskGroup(
            **{
                **fields(valid),
                "services": [valid.services[0].model_copy(update={"task": "other"})],
            }
        )
    with pytest.raises(ValidationError, match="driver raw_exec does not support cap_drop"):
        Task(**{**fields(task), "driver": "raw_exec"})


def fields(block: Block) -> dict[str, Any]:
    return {name: getattr(block, name) for name in type(block).model_fields}


def test_a_missing_port_and_a_duplicate_task_are_refused_together() -> None:
    valid = job("backserve").task_groups[0]
    with pytest.raises(ValidationError) as refused:
        TaskGroup(
            **{
                **fields(valid),
                "networks": [Network(ports=[Port(label="http")])],
                "tasks": [*valid.tasks, *valid.tasks],
            }
        )
    assert "service backserve uses the port server, which the group lacks" in str(refused.value)
    assert "task backserve is defined twice" in str(refused.value)


def test_an_unknown_driver_is_refused() -> None:
    with pytest.raises(ValidationError, match="driver"):
        build_job(
            service("backserve"),
            ARTIFACT,
            JobDefaults(datacenter="nyc3", driver="docker"),  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    ("text", "value"), [("1m30s", 90 * SECOND), ("500ms", SECOND // 2), ("1h", 60 * MINUTE)]
)
def test_durations_are_sent_as_nanoseconds(text: str, value: int) -> None:
    assert nanoseconds(parse_duration(text)) == value
