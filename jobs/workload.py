"""All that runs in a cluster: backserve, frontserve, the prober, what Consul knows of them, and what each may do there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypedDict

import pulumi

from infra.mtls import Access
from infra.settings import Settings
from jobs.backserve import backserve_job
from jobs.edge_check import EdgeCheck, EdgeCheckArgs
from jobs.frontserve import frontserve_job
from jobs.identity import WorkloadIdentity, WorkloadIdentityArgs
from jobs.intentions import Intentions, IntentionsArgs
from jobs.jobspec import Artifact, Job
from jobs.prober import prober_job
from jobs.program import Driver
from jobs.service_job import ServiceJob, ServiceJobArgs

SERVICES = {
    "backserve": ("backserve", "backserve-health"),
    "frontserve": ("frontserve",),
    "prober": ("prober",),
}
"""By job, what it is in Consul."""
CONSUL_SERVICES = sorted(name for names in SERVICES.values() for name in names)
"""In Consul, of all jobs."""
NODE_WRITES = {"prober": ("edge",)}
"""By job, the external nodes whose checks it keeps."""
ALLOWED = {"backserve": ("frontserve",)}
"""By service, who may connect to it."""


class JobDefaults(TypedDict):
    """What all jobs of a stack have in common."""

    datacenter: str
    driver: Driver


class Stored(Protocol):
    """A packed service where Nomad's clients can fetch it."""

    @property
    def url(self) -> pulumi.Output[str]: ...
    @property
    def checksum(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """What runs, where it is fetched, and where it is reached."""

    settings: Settings
    artifacts: Mapping[str, Stored]
    """By service."""
    edge_address: pulumi.Input[str]
    """The public address of the load balancer."""
    url: pulumi.Input[str]
    """Where frontserve answers to the world."""
    access: pulumi.Input[Access]
    """Of the cluster."""


def workload(
    args: WorkloadArgs, *, in_nomad: pulumi.ResourceOptions, in_consul: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    """Ask for everything side by side; frontserve says 503 until backserve is there.

    Returns:
        Nomad's id of each job, once it is deployed.
    """
    s = args.settings
    place: JobDefaults = {"datacenter": s.region, "driver": s.task_driver}
    jobs: dict[str, Callable[[Artifact], Job]] = {
        "backserve": lambda file: backserve_job(
            file, **place, count=s.service_count, greeting=s.greeting
        ),
        "frontserve": lambda file: frontserve_job(
            file, **place, count=s.service_count, port=s.frontserve_port
        ),
        "prober": lambda file: prober_job(file, **place),
    }
    EdgeCheck(
        "health",
        EdgeCheckArgs(
            edge_address=args.edge_address, url=args.url, services=["backserve", "frontserve"]
        ),
        in_consul,
    )
    Intentions("intentions", IntentionsArgs(allowed=ALLOWED), in_consul)
    identity = WorkloadIdentity(
        "identity", WorkloadIdentityArgs(services=SERVICES, writes=NODE_WRITES), in_consul
    )
    # An allocation that starts before it is somebody fails, and is out of attempts soon.
    known = pulumi.ResourceOptions.merge(in_nomad, pulumi.ResourceOptions(depends_on=[identity]))
    return {name: _deployed(name, job, args, known) for name, job in jobs.items()}


def _deployed(
    name: str, job: Callable[[Artifact], Job], args: WorkloadArgs, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    stored = args.artifacts[name]
    return ServiceJob(
        name,
        ServiceJobArgs(job=job, url=stored.url, checksum=stored.checksum, access=args.access),
        opts,
    ).job_id
