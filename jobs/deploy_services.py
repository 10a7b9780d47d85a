"""Deploys the services of a stack: their jobs, and what Consul must know of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_nomad as nomad

from infra.mtls import Access
from infra.settings import Settings
from jobs.edge_check import EdgeCheck, EdgeCheckArgs
from jobs.identity import WorkloadIdentity, WorkloadIdentityArgs
from jobs.intentions import Intentions, IntentionsArgs
from jobs.job_builder import JobDefaults
from jobs.job_health import JobHealth
from jobs.service_job import ServiceJob, ServiceJobArgs
from jobs.services import Service, services
from services.packed_service import PackedService

JOB_TYPE = "nomad:index/job:Job"


def collect_jobs() -> list[nomad.Job]:
    """Return a list to which each Nomad job that the program declares from now on is added."""
    jobs: list[nomad.Job] = []

    def collect(args: pulumi.ResourceTransformationArgs) -> None:
        if args.type_ == JOB_TYPE:
            assert isinstance(args.resource, nomad.Job)
            jobs.append(args.resource)

    pulumi.runtime.register_stack_transformation(collect)
    return jobs


@dataclass(frozen=True, kw_only=True)
class DeployServicesArgs:
    """The services, their stored artifacts, and the cluster that runs them."""

    services: Sequence[Service]
    defaults: JobDefaults
    packed: Mapping[str, PackedService]
    """By source."""
    artifact_urls: Mapping[str, pulumi.Output[str]]
    """URLs of the stored objects, by source."""
    edge_address: pulumi.Input[str]
    """The public address of the load balancer."""
    edge_url: pulumi.Input[str]
    """The URL at which the public service answers."""
    consul_access: pulumi.Input[Access]
    """Access to Consul as soon as it has ACLs."""
    access: pulumi.Input[Access]
    """Access to the cluster as soon as its workers are ready."""
    jobs: Sequence[nomad.Job] = ()
    """From ``collect_jobs``: the jobs that must be healthy at the end of an update."""

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        packed: Mapping[str, PackedService],
        artifact_urls: Mapping[str, pulumi.Output[str]],
        edge_address: pulumi.Input[str],
        edge_url: pulumi.Input[str],
        consul_access: pulumi.Input[Access],
        access: pulumi.Input[Access],
        jobs: Sequence[nomad.Job],
    ) -> Self:
        """Return the arguments of a stack with ``settings``."""
        return cls(
            services=services(settings),
            defaults=JobDefaults(datacenter=settings.region, driver=settings.task_driver),
            packed=packed,
            artifact_urls=artifact_urls,
            edge_address=edge_address,
            edge_url=edge_url,
            consul_access=consul_access,
            access=access,
            jobs=jobs,
        )


def deploy_services(
    args: DeployServicesArgs, *, in_nomad: pulumi.ResourceOptions, in_consul: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    """Deploy all services in parallel; ``in_nomad`` and ``in_consul`` name the providers.

    At the end all of ``args.jobs`` must be healthy, those of the services among them.

    Returns:
        The Nomad job id of each service, which resolves when its deployment is healthy.
    """
    EdgeCheck(
        "health",
        EdgeCheckArgs(
            edge_address=args.edge_address,
            url=args.edge_url,
            services=args.services,
            access=args.consul_access,
        ),
        in_consul,
    )
    Intentions(
        "intentions", IntentionsArgs(services=args.services, access=args.consul_access), in_consul
    )
    identity = WorkloadIdentity("identity", WorkloadIdentityArgs(services=args.services), in_consul)
    # An allocation that starts before its Consul identity exists fails, and soon has no attempts
    # left.
    job_options = pulumi.ResourceOptions.merge(
        in_nomad, pulumi.ResourceOptions(depends_on=[identity])
    )
    job_ids = {
        service.name: ServiceJob(
            service.name,
            ServiceJobArgs(
                service=service,
                defaults=args.defaults,
                url=args.artifact_urls[service.source],
                checksum=args.packed[service.source].checksum,
                access=args.access,
            ),
            job_options,
        ).job_id
        for service in args.services
    }
    JobHealth("jobs", jobs=args.jobs, access=args.access)
    return job_ids
