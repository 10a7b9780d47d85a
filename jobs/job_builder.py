"""Builds the Nomad job of a service: how every service starts, is checked and stops."""

from dataclasses import dataclass

from jobs import jobspec
from jobs.services import Service

PYTHON = "/usr/bin/python3"
USER = "mesh"
"""The user of every task. It owns no file of a node.

The node's Consul agent accepts connections from tasks of this user only. Nomad lets the task's
group read the token file, and the user belongs to that group.
"""
TOKEN_FILE = "${NOMAD_SECRETS_DIR}/consul_token"
WITHOUT_TOKENS = (
    "import os, sys; "
    "kept = {name: value for name, value in os.environ.items() "
    "if name not in ('CONSUL_TOKEN', 'CONSUL_HTTP_TOKEN')}; "
    "os.execve(sys.executable, [sys.executable, *sys.argv[1:]], kept)"
)
"""Starts the program without the Consul token that Nomad also puts into a task's environment.

Child processes inherit an environment, and error reports may contain it.
"""
LOOPBACK = "loopback"
"""The Nomad clients' host network 127.0.0.1."""

DRAIN_S = 10
"""How long an instance still serves after its health check fails at SIGTERM.

The load balancer checks every 3 s and removes a target after 2 failures.
"""
KILL_TIMEOUT = "40s"
"""Longer than the drain and the 20 s that requests in flight may take. Clients allow up to 60 s."""
START_GRACE = "15s"
"""How long a program may take to start, on a busy node; failed checks count from then on."""
LIVE_FAILURES = 15
"""Failed checks of ``/live`` in a row that restart a task; 30 s at one check each 2 s.

A restart ends what the instance remembers. While no server of Consul answers, an instance that an
overloaded node restarted finds no other one.
"""
MIGRATE = jobspec.Migrate(
    max_parallel=1, health_check="checks", min_healthy_time="10s", healthy_deadline="5m"
)
"""How instances leave a drained node: one at a time, the next when its replacement is healthy.

10 s is longer than the load balancer needs to add a target: 2 checks, 3 s apart.
"""
RESTART = jobspec.Restart(attempts=1, interval="1m", delay="10s", mode="fail")
RESCHEDULE = jobspec.Reschedule(
    delay="5s", delay_function="exponential", max_delay="20s", unlimited=True
)
"""How a failed allocation is replaced: without a limit, so no length of trouble strands it.

The longest delay keeps the time until a replacement starts short after the trouble.
"""
EPHEMERAL_DISK_MB = 300


@dataclass(frozen=True, kw_only=True)
class JobDefaults:
    """What all jobs of a stack have in common."""

    datacenter: str
    driver: jobspec.Driver


def build_job(service: Service, artifact: jobspec.Artifact, defaults: JobDefaults) -> jobspec.Job:
    """Return the job that runs ``service`` from ``artifact``."""
    server = jobspec.Port(label="server", static=service.port)
    health = jobspec.Port(label="health", host_network=LOOPBACK)
    group = jobspec.TaskGroup(
        name=service.name,
        count=service.count,
        networks=[jobspec.Network(ports=[server, health] if service.connect else [server])],
        services=[_connect_service(service, server, health)] if service.connect else [],
        tasks=[_task(service, artifact, defaults.driver, health if service.connect else server)],
        spreads=[jobspec.Spread(attribute="${node.unique.name}", weight=100)],
        update=service.update,
        migrate=MIGRATE,
        restart=RESTART,
        reschedule=RESCHEDULE,
        ephemeral_disk=jobspec.EphemeralDisk(size=EPHEMERAL_DISK_MB),
    )
    return jobspec.Job(id=service.name, datacenters=[defaults.datacenter], task_groups=[group])


def _check(service: Service, port: jobspec.Port) -> jobspec.Check:
    """Return the check of whether an instance can serve."""
    return jobspec.Check(
        name=f"{service.name} health",
        path=service.check.path,
        port=port.label,
        interval=service.check.interval,
        timeout=service.check.timeout,
    )


def _restarting_check(service: Service, port: jobspec.Port) -> jobspec.Check:
    """Return the check that restarts the task when it fails."""
    return _check(service, port).model_copy(
        update={
            "name": f"{service.name} live",
            "path": service.check.live_path,
            "check_restart": jobspec.CheckRestart(limit=LIVE_FAILURES, grace=START_GRACE),
        }
    )


def _connect_service(
    service: Service, port: jobspec.Port, health_port: jobspec.Port
) -> jobspec.Service:
    return jobspec.Service(
        name=service.name,
        port=port.label,
        task=service.name,
        connect=jobspec.Connect(native=True),
        checks=[_check(service, health_port)],
    )


def _task(
    service: Service, artifact: jobspec.Artifact, driver: jobspec.Driver, check_port: jobspec.Port
) -> jobspec.Task:
    environment = {
        "PORT": "${NOMAD_PORT_server}",
        "CONSUL_HTTP_TOKEN_FILE": TOKEN_FILE,
        "NODE_NAME": "${node.unique.name}",
        "DRAIN_SECONDS": str(DRAIN_S),
        "SERVICE_VERSION": artifact.checksum.removeprefix("sha256:")[:12],
    }
    if service.connect:
        environment["HEALTH_PORT"] = "${NOMAD_PORT_health}"
    # The last name is a registration of the task: check_restart needs one that lives as long as
    # the task, and a group's lives as long as its allocation. With Connect, the group's has the
    # check of the health.
    checks = [] if service.connect else [_check(service, check_port)]
    task_service = jobspec.Service(
        name=service.consul_names[-1],
        port=check_port.label,
        checks=[*checks, _restarting_check(service, check_port)],
    )
    return jobspec.Task(
        name=service.name,
        driver=driver,
        user=USER,
        command=PYTHON,
        args=["-I", "-S", "-c", WITHOUT_TOKENS, artifact.destination],
        cap_drop=["all"] if driver == "exec" else [],
        env={**environment, **service.environment},
        consul=jobspec.Consul(),
        artifacts=[artifact],
        services=[task_service],
        resources=service.resources,
        kill_timeout=KILL_TIMEOUT,
    )
