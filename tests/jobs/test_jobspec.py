"""Job specifications: the exact JSON, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.backserve import backserve_job
from jobs.duration import nanoseconds, parse
from jobs.frontserve import frontserve_job
from jobs.jobspec import Artifact, Check, Job, Network, Port, Reschedule, Restart, Service, TaskGroup, Update
from jobs.prober import prober_job
from jobs.program import UPDATE

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
ARTIFACT = Artifact(source="http://spaces.test/backserve/abc.pyz", checksum="sha256:" + "a" * 64, destination="local/backserve.pyz")


def backserve() -> Job:
    return backserve_job(ARTIFACT, datacenter="nyc3", driver="exec", count=2, greeting="hello")


def group(job: Job) -> Any:
    return json.loads(job.render())["Job"]["TaskGroups"][0]


def test_backserve_is_exactly_this() -> None:
    check = {
        "Name": "backserve health",
        "Type": "http",
        "Path": "/health",
        "PortLabel": "server",
        "Interval": 2 * SECOND,
        "Timeout": SECOND,
        "CheckRestart": {"Limit": 3, "Grace": 5 * SECOND, "IgnoreWarnings": False},
    }
    task = {
        "Name": "backserve",
        "Driver": "exec",
        "Config": {"command": "/usr/bin/python3", "args": ["local/backserve.pyz"]},
        "Env": {
            "BACKSERVE_GREETING": "hello",
            "DRAIN_SECONDS": "10",
            "NODE_NAME": "${node.unique.name}",
            "PORT": "${NOMAD_PORT_server}",
            "SERVICE_VERSION": "a" * 12,
        },
        "Artifacts": [
            {
                "GetterSource": "http://spaces.test/backserve/abc.pyz",
                "GetterOptions": {"checksum": "sha256:" + "a" * 64},
                "GetterMode": "file",
                "RelativeDest": "local/backserve.pyz",
            }
        ],
        "Services": [{"Name": "backserve", "PortLabel": "server", "Provider": "consul", "Tags": [], "Checks": [check]}],
        "Resources": {"CPU": 500, "MemoryMB": 100},
        "KillSignal": "SIGTERM",
        "KillTimeout": 40 * SECOND,
    }
    assert json.loads(backserve().render()) == {
        "Job": {
            "ID": "backserve",
            "Name": "backserve",
            "Type": "service",
            "Datacenters": ["nyc3"],
            "TaskGroups": [
                {
                    "Name": "backserve",
                    "Count": 2,
                    "Networks": [{"ReservedPorts": [], "DynamicPorts": [{"Label": "server"}]}],
                    "Tasks": [task],
                    "Spreads": [{"Attribute": "${node.unique.name}", "Weight": 100}],
                    "Update": {
                        "MaxParallel": 1,
                        "Canary": 1,
                        "AutoPromote": True,
                        "AutoRevert": True,
                        "HealthCheck": "checks",
                        "MinHealthyTime": 20 * SECOND,
                        "HealthyDeadline": 10 * MINUTE,
                        "ProgressDeadline": 15 * MINUTE,
                        "Stagger": 30 * SECOND,
                    },
                    "RestartPolicy": {"Attempts": 1, "Interval": MINUTE, "Delay": 10 * SECOND, "Mode": "fail"},
                    "ReschedulePolicy": {
                        "Attempts": 1,
                        "Interval": MINUTE,
                        "Delay": 5 * SECOND,
                        "DelayFunction": "constant",
                        "MaxDelay": 0,
                        "Unlimited": False,
                    },
                    "EphemeralDisk": {"SizeMB": 300},
                }
            ],
        }
    }


def test_the_same_job_is_the_same_text() -> None:
    assert backserve().render() == backserve().render()


def test_frontserve_has_a_fixed_port() -> None:
    job = frontserve_job(ARTIFACT, datacenter="nyc3", driver="raw_exec", count=2, port=8085)
    assert group(job)["Networks"] == [{"ReservedPorts": [{"Label": "server", "Value": 8085}], "DynamicPorts": []}]
    assert group(job)["Tasks"][0]["Driver"] == "raw_exec"


def test_the_prober_is_one_and_small() -> None:
    found = group(prober_job(ARTIFACT, datacenter="nyc3", driver="exec"))
    assert (found["Count"], found["Tasks"][0]["Resources"]) == (1, {"CPU": 100, "MemoryMB": 64})


def test_the_prober_always_comes_back_and_a_bad_version_of_the_others_does_not() -> None:
    policy = group(prober_job(ARTIFACT, datacenter="nyc3", driver="exec"))["ReschedulePolicy"]
    assert (policy["Unlimited"], policy["Attempts"], policy["MaxDelay"]) == (True, 0, MINUTE)
    policy = group(backserve())["ReschedulePolicy"]
    assert (policy["Unlimited"], policy["Attempts"]) == (False, 1), "a deployment fails early only when attempts are used up"


def changed(**changes: Any) -> dict[str, Any]:
    """The update that our jobs have, but for ``changes``."""
    times = {"min_healthy_time": "20s", "healthy_deadline": "10m", "progress_deadline": "15m", "stagger": "30s"}
    return {**UPDATE.model_dump(), **times, **changes}


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
        ({"stagger": "half an hour"}, "'half an hour' is no duration"),
    ],
)
def test_an_update_that_nomad_would_refuse_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Update.model_validate(changed(**changes))


@pytest.mark.parametrize(
    ("block", "values", "reason"),
    [
        (Restart, {"attempts": 7, "interval": "1m", "delay": "10s", "mode": "fail"}, "do not fit"),
        (Restart, {"attempts": 0, "interval": "1m", "delay": "10s", "mode": "delay"}, "needs attempts"),
        (Restart, {"attempts": 1, "interval": "4s", "delay": "1s", "mode": "fail"}, "at least 5s"),
        (Reschedule, {"attempts": 1, "interval": "1m", "delay": "5s", "unlimited": True}, "not both"),
        (Reschedule, {"attempts": 1, "interval": "10s", "delay": "5s", "unlimited": False}, "do not fit"),
        (Reschedule, {"delay": "4s", "unlimited": True}, "at least 5s"),
        (Reschedule, {"delay": "5s", "delay_function": "exponential", "unlimited": True}, "max_delay"),
        (Check, {"name": "c", "port": "server", "path": "health", "interval": "2s", "timeout": "1s"}, "begins with /"),
        (Check, {"name": "c", "port": "server", "path": "/", "interval": "2s", "timeout": "500ms"}, "at least 1s"),
        (Artifact, {"source": "http://a/b", "checksum": "md5:1", "destination": "local/b"}, "checksum"),
        (Artifact, {"source": "/etc/passwd", "checksum": "sha256:" + "a" * 64, "destination": "local/b"}, "source"),
        (Port, {"label": "server", "static": 70000}, "static"),
        (Service, {"name": "Back_Serve", "port": "server"}, "name"),
    ],
)
def test_a_block_that_nomad_would_refuse_is_refused(block: type[Any], values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        block.model_validate(values)


def test_a_port_that_the_group_lacks_and_a_task_that_is_there_twice_are_refused_together() -> None:
    good = backserve().task_groups[0]
    parts = {name: getattr(good, name) for name in TaskGroup.model_fields}
    with pytest.raises(ValidationError) as bad:
        TaskGroup(**{**parts, "networks": [Network(ports=[Port(label="http")])], "tasks": [*good.tasks, *good.tasks]})
    assert "service backserve uses the port server, which the group lacks" in str(bad.value)
    assert "task backserve is there twice" in str(bad.value)


def test_an_unknown_driver_is_refused() -> None:
    with pytest.raises(ValidationError, match="driver"):
        backserve_job(ARTIFACT, datacenter="nyc3", driver="docker", count=2, greeting="hello")  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "value"), [("1m30s", 90 * SECOND), ("500ms", SECOND // 2), ("1h", 60 * MINUTE)])
def test_durations_are_nanoseconds(text: str, value: int) -> None:
    assert nanoseconds(parse(text)) == value
