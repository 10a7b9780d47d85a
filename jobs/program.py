"""What the jobs of our own programs have in common: how they are run, watched and replaced."""

from typing import Literal

from jobs.jobspec import (
    Artifact,
    Check,
    CheckRestart,
    Connect,
    Consul,
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
USER = "mesh"
"""Who owns nothing on a node; of no other task does Consul's agent take connections.

Nomad writes a token's file for root and its group, which a task of either driver is in.
"""
WITHOUT_TOKENS = (
    "import os, sys; "
    "kept = {name: value for name, value in os.environ.items() if name not in ('CONSUL_TOKEN', 'CONSUL_HTTP_TOKEN')}; "
    "os.execve(sys.executable, [sys.executable, *sys.argv[1:]], kept)"
)
"""Nomad puts a task's token into its environment as well, where whatever it starts or reports of itself would have it."""
TOKEN_FILE = "${NOMAD_SECRETS_DIR}/consul_token"
LOOPBACK = "loopback"
"""The clients' host network that is 127.0.0.1."""

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
ALWAYS_RESCHEDULE = Reschedule(
    delay="5s", delay_function="exponential", max_delay="1m", unlimited=True
)
"""For a job that must come back on its own after any trouble, and whose bad version may take until the progress deadline."""


def program_job(
    *,
    name: str,
    datacenter: str,
    driver: Driver,
    artifact: Artifact,
    count: int,
    port: int | None = None,
    connect: bool = False,
    env: dict[str, str] | None = None,
    resources: Resources | None = None,
    reschedule: Reschedule = RESCHEDULE,
) -> Job:
    """A job that runs one packed program; on the static ``port``, or on one that Nomad chooses.

    With ``connect`` that port speaks Connect's mutual TLS, and health is asked on another one, of the node alone.
    """
    served, asked = Port(label="server", static=port), Port(label="health", host_network=LOOPBACK)
    check = Check(
        name=f"{name} health",
        path="/health",
        port=asked.label if connect else served.label,
        interval="2s",
        timeout="1s",
    )
    watched = check.model_copy(update={"check_restart": CheckRestart(limit=3, grace=START_TIME)})
    task = Task(
        name=name,
        driver=driver,
        user=USER,
        command=PYTHON,
        args=["-I", "-S", "-c", WITHOUT_TOKENS, artifact.destination],
        cap_drop=["all"] if driver == "exec" else [],
        env={
            "PORT": "${NOMAD_PORT_server}",
            **({"HEALTH_PORT": "${NOMAD_PORT_health}"} if connect else {}),
            "CONSUL_HTTP_TOKEN_FILE": TOKEN_FILE,
            "NODE_NAME": "${node.unique.name}",
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "SERVICE_VERSION": artifact.checksum.removeprefix("sha256:")[:12],
            **(env or {}),
        },
        consul=Consul(),
        artifacts=[artifact],
        # A group's service lives as long as its allocation, and check_restart needs one that lives as long as the task.
        services=[
            Service(name=f"{name}-health" if connect else name, port=check.port, checks=[watched])
        ],
        resources=resources or Resources(cpu=500, memory=100),
        kill_timeout=KILL_TIMEOUT,
    )
    native = Service(
        name=name, port=served.label, task=name, connect=Connect(native=True), checks=[check]
    )
    group = TaskGroup(
        name=name,
        count=count,
        networks=[Network(ports=[served, asked] if connect else [served])],
        services=[native] if connect else [],
        tasks=[task],
        spreads=[Spread(attribute="${node.unique.name}", weight=100)],
        update=UPDATE,
        restart=RESTART,
        reschedule=reschedule,
        ephemeral_disk=EphemeralDisk(size=300),
    )
    return Job(id=name, datacenters=[datacenter], task_groups=[group])
