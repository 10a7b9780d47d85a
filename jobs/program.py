"""What the jobs of our own programs have in common: how they are run, watched and replaced."""

from typing import Literal

from jobs.jobspec import (
    Artifact,
    Check,
    CheckRestart,
    EphemeralDisk,
    Job,
    Network,
    Port,
    Reschedule,
    Resources,
    Restart,
    Service,
    Spread,
    Task,
    TaskGroup,
    Update,
)

Driver = Literal["exec", "raw_exec"]

PYTHON = "/usr/bin/python3"
DRAIN_SECONDS = 10
"""How long an instance is served while already red: the balancer checks every 3 s and needs 2 bad answers."""
KILL_TIMEOUT = "40s"
"""Longer than the drain and the 20 s that requests in flight may take; clients allow up to 60 s."""
START_TIME = "5s"
"""How long a program may take to answer; its bad checks count from then on."""

UPDATE = Update(
    max_parallel=1,
    canary=1,
    auto_promote=True,
    auto_revert=True,
    health_check="checks",
    min_healthy_time="20s",
    healthy_deadline="10m",
    progress_deadline="15m",
    stagger="30s",
)
RESTART = Restart(attempts=1, interval="1m", delay="10s", mode="fail")
RESCHEDULE = Reschedule(attempts=1, interval="1m", delay="5s", unlimited=False)
"""One more try on another node. Nomad fails a deployment early only when an instance has used up its attempts, so a
version that cannot live needs the limit. The interval is well above what such a version lives (32 s, ADR 13), because in
steady state the limit counts as well: an instance that lived for a minute is always replaced."""
ALWAYS_RESCHEDULE = Reschedule(delay="5s", delay_function="exponential", max_delay="1m", unlimited=True)
"""For a job that must come back on its own after any trouble, and whose bad version may take until the progress deadline."""


def program_job(
    *,
    name: str,
    datacenter: str,
    driver: Driver,
    artifact: Artifact,
    count: int,
    port: int | None = None,
    env: dict[str, str] | None = None,
    resources: Resources | None = None,
    reschedule: Reschedule = RESCHEDULE,
) -> Job:
    """A job that runs one packed program; on the static ``port``, or on one that Nomad chooses."""
    check = Check(
        name=f"{name} health",
        path="/health",
        port="server",
        interval="2s",
        timeout="1s",
        check_restart=CheckRestart(limit=3, grace=START_TIME),
    )
    task = Task(
        name=name,
        driver=driver,
        command=PYTHON,
        args=[artifact.destination],
        env={
            "PORT": "${NOMAD_PORT_server}",
            "NODE_NAME": "${node.unique.name}",
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "SERVICE_VERSION": artifact.checksum.removeprefix("sha256:")[:12],
            **(env or {}),
        },
        artifacts=[artifact],
        services=[Service(name=name, port="server", checks=[check])],
        resources=resources or Resources(cpu=500, memory=100),
        kill_timeout=KILL_TIMEOUT,
    )
    group = TaskGroup(
        name=name,
        count=count,
        networks=[Network(ports=[Port(label="server", static=port)])],
        tasks=[task],
        spreads=[Spread(attribute="${node.unique.name}", weight=100)],
        update=UPDATE,
        restart=RESTART,
        reschedule=reschedule,
        ephemeral_disk=EphemeralDisk(size=300),
    )
    return Job(id=name, datacenters=[datacenter], task_groups=[group])
