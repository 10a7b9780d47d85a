"""The services of a stack, each declared once: add a service here.

Nomad jobs, Consul names, identities, intentions, service defaults and artifacts all derive from
these declarations.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.settings import Settings
from jobs.jobspec import Resources, Update

EDGE_NODE = "edge"
"""The external Consul node that stands for the load balancer."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """The HTTP checks by which Consul judges an instance, and a deployment its progress."""

    path: str = "/health"
    """Fails while the instance cannot serve."""
    live_path: str = "/live"
    """Fails while a restart or another node may help; Nomad then restarts the task."""
    interval: str = "2s"
    timeout: str = "1s"


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: a Nomad job with one task. The defaults suit a small web service."""

    name: str
    """The id of its Nomad job, and its name in Consul."""
    source: str
    """Its folder under ``services/``."""
    count: int = 1
    """Instances, each on a node of its own where there are enough nodes."""
    port: int | None = None
    """A fixed port on every node; without it Nomad chooses one."""
    resources: Resources = field(default=Resources(cpu=500, memory=100))
    """CPU in MHz and memory in MB, of each instance."""
    check: HealthCheck = HealthCheck()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables besides those that every service has."""
    connect: bool = False
    """Whether its port speaks Connect's mutual TLS. Its health check then has another port."""
    callers: tuple[str, ...] = ()
    """Services that Consul's intentions allow to connect to it."""
    public: bool = False
    """Whether the load balancer forwards requests to it."""
    external_nodes: tuple[str, ...] = ()
    """Consul nodes without an agent, each with a service of its name, whose checks it keeps."""
    update: Update = field(
        default=Update(
            max_parallel=1,
            canary=1,
            auto_promote=True,
            auto_revert=True,
            health_check="checks",
            min_healthy_time="20s",
            healthy_deadline="85s",
            progress_deadline="90s",
            stagger="30s",
        )
    )
    """How a new version replaces the old one.

    The deployment fails when no further instance turns healthy for ``progress_deadline``, and the
    former version is restored. Rescheduling has no limit, so nothing else ends it.
    """

    @property
    def consul_names(self) -> tuple[str, ...]:
        """Its names in Consul: with Connect, the health check is a registration of its own."""
        return (self.name, f"{self.name}-health") if self.connect else (self.name,)

    @property
    def has_clients(self) -> bool:
        """Whether the load balancer or another service sends requests to it."""
        return self.public or bool(self.callers)


def consul_names(services: Iterable[Service]) -> list[str]:
    """Return the names of all ``services`` in Consul."""
    return sorted(name for service in services for name in service.consul_names)


def services(settings: Settings) -> tuple[Service, ...]:
    """Return the services of a stack with these settings."""
    return (
        Service(
            name="backserve",
            source="backserve",
            count=settings.service_count,
            connect=True,
            callers=("frontserve",),
            environment={"BACKSERVE_GREETING": settings.greeting},
        ),
        Service(
            name="frontserve",
            source="frontserve",
            count=settings.service_count,
            port=settings.frontserve_port,
            public=True,
        ),
        # A second instance during an update is harmless: prober writes by compare-and-set.
        Service(
            name="prober",
            source="prober",
            resources=Resources(cpu=100, memory=64),
            external_nodes=(EDGE_NODE,),
        ),
    )
