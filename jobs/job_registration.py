"""The registration of a job: a resource whose deletion removes the job from Nomad.

The provider deregisters a job by its id when it deletes the resource. After a replacement that is
the job that replaced it. So the provider deregisters nothing, and this resource does.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from typing import Any

import pulumi
from pulumi import dynamic

from infra.cluster_api.client import Retrier
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

PURGE_TIMEOUT_S = 60.0


class JobRegistrationProvider(dynamic.ResourceProvider):
    """Purges the job when the resource is deleted. Creation and update change nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["job"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != value for name, value in news.items()),
            replaces=["job"] if olds["job"] != news["job"] else [],
            delete_before_replace=False,
        )

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        nomad_api, job = Nomad(props["access"]), props["job"]
        Retrier(PURGE_TIMEOUT_S).run(
            f"job {job}: purge", lambda: nomad_api.purge_job(job, props["namespace"])
        )


class JobRegistration(dynamic.Resource, module="slipway", name="JobRegistration"):
    """A job that Nomad has."""

    def __init__(
        self,
        name: str,
        *,
        job: pulumi.Input[str],
        namespace: str,
        access: pulumi.Input[Access],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the registration.

        Args:
            job: id of the job.
            namespace: of the job.
            access: access with management tokens; secret.
        """
        props = {"job": job, "namespace": namespace, "access": pulumi.Output.secret(access)}
        super().__init__(JobRegistrationProvider(), name, props, opts)
