"""The Nomad job of one service as a Pulumi component."""

from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_nomad as nomad

from infra.mtls import Access
from jobs.child_options import child_options
from jobs.job_builder import JobDefaults, build_job
from jobs.job_registration import JobRegistration
from jobs.jobspec import Artifact
from jobs.placement import require_placement
from jobs.services import Service

DEFAULT_NAMESPACE = "default"
DEPLOYMENT_MARGIN = timedelta(minutes=5)
"""How much longer than its deadlines a deployment may take, so that Nomad reports why it failed."""


@dataclass(frozen=True, kw_only=True)
class ServiceJobArgs:
    """A service, and the stored artifact that runs it."""

    service: Service
    defaults: JobDefaults
    url: pulumi.Input[str]
    checksum: str
    """``sha256:`` and the hexadecimal hash."""
    access: pulumi.Input[Access]
    """Addresses and credentials of the cluster, to plan the job."""


class ServiceJob(pulumi.ComponentResource):
    """A deployed job. Creation succeeds once the deployment is healthy.

    It fails with Nomad's reason if the deployment fails, and before the job is registered if the
    cluster has no room for it.
    """

    job_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: ServiceJobArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:ServiceJob", name, None, opts)

        def render(url: str) -> str:
            artifact = Artifact(
                source=url, checksum=args.checksum, destination=f"local/{args.service.name}.pyz"
            )
            return build_job(args.service, artifact, args.defaults).render()

        jobspec = pulumi.Output.from_input(args.url).apply(render)
        # A preview cannot plan the job: the cluster may not exist yet.
        if not pulumi.runtime.is_dry_run():
            # The credentials are secret. The specification that returns contains none of them.
            jobspec = pulumi.Output.unsecret(
                pulumi.Output.all(jobspec, args.access).apply(
                    lambda resolved: require_placement(*resolved)
                )
            )
        timeout = _deployment_timeout(args.service)
        registration = JobRegistration(
            f"{name}-registration",
            job=args.service.name,
            namespace=DEFAULT_NAMESPACE,
            access=args.access,
            opts=child_options(self, opts),
        )
        job = nomad.Job(
            name,
            jobspec=jobspec,
            json=True,
            detach=False,
            deregister_on_destroy=False,  # See JobRegistration.
            rerun_if_dead=True,
            opts=pulumi.ResourceOptions.merge(
                child_options(self, opts),
                pulumi.ResourceOptions(
                    custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout),
                    depends_on=[registration],
                ),
            ),
        )
        self.job_id = job.id
        self.register_outputs({"job_id": self.job_id})


def _deployment_timeout(service: Service) -> str:
    """Return how long Pulumi waits for a deployment; each instance starts a new deadline."""
    deadlines = (service.update.canary + service.count) * service.update.progress_deadline
    return f"{(deadlines + DEPLOYMENT_MARGIN) // timedelta(seconds=1)}s"
