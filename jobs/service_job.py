"""A job in Nomad, run from an artifact that its clients download."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi
import pulumi_nomad as nomad

from infra.mtls import Access
from jobs.child_options import child_options
from jobs.jobspec import Artifact, Job
from jobs.placement import placed

PATIENCE = "20m"
"""How long Pulumi waits for a deployment: longer than the job's own progress_deadline, so that Nomad gives the reason."""


@dataclass(frozen=True, kw_only=True)
class ServiceJobArgs:
    """A job, and the packed program that it runs."""

    job: Callable[[Artifact], Job]
    """The specification, given the artifact."""
    url: pulumi.Input[str]
    checksum: pulumi.Input[str]
    """As Nomad writes it: ``sha256:`` and the hash."""
    access: pulumi.Input[Access]
    """Of the cluster, whose Nomad is asked for a place first."""


class ServiceJob(pulumi.ComponentResource):
    """A deployed job: made once its deployment is healthy, failed with Nomad's reason if it never is.

    A job that has no place in the cluster is not even registered.
    """

    job_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: ServiceJobArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:ServiceJob", name, None, opts)

        def render(url: str, checksum: str) -> str:
            return args.job(
                Artifact(source=url, checksum=checksum, destination=f"local/{name}.pyz")
            ).render()

        jobspec = pulumi.Output.all(args.url, args.checksum).apply(lambda known: render(*known))
        if (
            not pulumi.runtime.is_dry_run()
        ):  # a preview promises no place, and the cluster may not be there yet
            # What is asked with is secret; what comes back is the jobspec that was given, and holds none of it.
            jobspec = pulumi.Output.unsecret(
                pulumi.Output.all(jobspec, args.access).apply(lambda known: placed(*known))
            )
        job = nomad.Job(
            name,
            jobspec=jobspec,
            json=True,
            detach=False,
            purge_on_destroy=True,
            opts=pulumi.ResourceOptions.merge(
                child_options(self, opts),
                pulumi.ResourceOptions(
                    custom_timeouts=pulumi.CustomTimeouts(create=PATIENCE, update=PATIENCE)
                ),
            ),
        )
        self.job_id = job.id
        self.register_outputs({"job_id": self.job_id})
