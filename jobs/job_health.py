"""The health of the declared jobs: a resource that exists while all of them run as declared.

Nomad accepts a job that cannot be placed, and a job may lose instances, or somebody changes it,
between two updates. So each update looks at all jobs again, also if the program has changed none.
It registers a job that differs from the program, and fails while one is short.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_nomad as nomad
from pulumi import dynamic

from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.job_status import JobStatus, SpecifiedJob, read_jobs, select_declared
from infra.cluster_api.nomad import Nomad
from infra.drift.comparison import is_known
from infra.mtls import Access

HEALTH_TIMEOUT_S = 90.0
"""Longer than Nomad needs to replace an instance after trouble."""
DEPLOYMENT_TIMEOUT_S = 900.0
"""How long an active deployment may take; Nomad usually ends it earlier by its own deadline."""
PLACEMENT_TIMEOUT_S = 20.0
"""A node that has just joined reports its drivers and resources after some seconds."""
POLL_INTERVAL_S = 1.0


class NotHealthyError(Exception):
    """Jobs are not as declared. The message names each one, and what it lacks."""


def find_problems(declared: Sequence[SpecifiedJob], access: Access) -> list[JobStatus]:
    """Return the declared jobs that are not healthy.

    Raises:
        AgentError: Nomad or Consul does not answer.
    """
    nomad_api, consul = Nomad(access), Consul(access)
    found = read_jobs(
        lambda path: nomad_api.request("GET", f"/v1/{path}"),
        lambda path: consul.request("GET", f"/v1/{path}"),
    )
    return [job for job in select_declared(found, declared) if not job.is_healthy]


def find_changed(declared: Sequence[SpecifiedJob], nomad_api: Nomad) -> list[dict[str, Any]]:
    """Return the specification of each declared job that Nomad has otherwise, or not at all.

    The provider sees no change of ``nomad job scale``, which keeps the job's source.

    Raises:
        AgentError: Nomad does not answer, or refuses a specification.
    """
    specifications: list[dict[str, Any]] = [
        json.loads(job["specification"])["Job"] for job in declared if job["specification"]
    ]
    return [job for job in specifications if nomad_api.differs(job)]


def wait_until_healthy(declared: Sequence[SpecifiedJob], access: Access) -> None:
    """Register changed jobs as declared, retry the jobs that are short, and wait for all jobs.

    Raises:
        NotHealthyError: a job stays short, or no server answers.
    """
    start = time.monotonic()
    is_registered, is_retried, problem, limit_s = False, False, "", HEALTH_TIMEOUT_S
    while True:
        try:
            if not is_registered:
                _register_changed(declared, Nomad(access))
                is_registered = True
            short = find_problems(declared, access)
            if not short:
                return
            if not is_retried:
                _retry(short, Nomad(access))
                is_retried = True
            problem = "\n".join(f"job {job.name}: {job.shortage}" for job in short)
            limit_s = _time_limit(short)
        except AgentError as error:
            problem = f"the health of the jobs is unknown: {error}"
        if time.monotonic() - start > limit_s:
            raise NotHealthyError(problem)
        time.sleep(POLL_INTERVAL_S)


def _register_changed(declared: Sequence[SpecifiedJob], nomad_api: Nomad) -> None:
    for job in find_changed(declared, nomad_api):
        nomad_api.register_job(job)


def _retry(short: Sequence[JobStatus], nomad_api: Nomad) -> None:
    for job in short:
        if job.type == "service" and job.declared and not job.is_changing:
            nomad_api.retry_job(job.name, job.namespace)


def _time_limit(short: Sequence[JobStatus]) -> float:
    """Return how long to wait, in seconds. A deployment does not end while no node fits."""
    if any(job.is_changing and not job.is_unplaced for job in short):
        return DEPLOYMENT_TIMEOUT_S
    is_hopeless = all(job.is_unplaced or not job.declared for job in short)
    return PLACEMENT_TIMEOUT_S if is_hopeless else HEALTH_TIMEOUT_S


class JobHealthProvider(dynamic.ResourceProvider):
    """Waits on creation, and on every update that finds a job short. A deletion does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        wait_until_healthy(props["jobs"], props["access"])
        return dynamic.CreateResult("jobs", {"jobs": props["jobs"]})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Find a change if a job is short or was changed by hand, or if no server answers.

        A preview that replaces the credentials does not know them; the update itself does.
        """
        jobs, access = news["jobs"], news["access"]
        return dynamic.DiffResult(
            changes=olds["jobs"] != jobs or (is_known(access) and _is_other(jobs, access))
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        wait_until_healthy(news["jobs"], news["access"])
        return dynamic.UpdateResult({"jobs": news["jobs"]})


def _is_other(declared: Sequence[SpecifiedJob], access: Access) -> bool:
    """Whether a job is short, or not as declared, or unknown."""
    try:
        short = find_problems(declared, access)
        changed = find_changed(declared, Nomad(access))
    except AgentError as error:
        print(f"the health of the jobs is unknown: {error}", flush=True)
        return True
    for job in short:
        print(f"job {job.name}: {job.shortage}", flush=True)
    for specification in changed:
        print(f"job {specification['ID']}: Nomad has another specification", flush=True)
    return bool(short or changed)


class JobHealth(dynamic.Resource, module="slipway", name="JobHealth"):
    """All declared jobs run as declared."""

    def __init__(
        self,
        name: str,
        *,
        jobs: Sequence[nomad.Job],
        access: pulumi.Input[Access],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare that ``jobs`` are healthy.

        Args:
            jobs: those of the program, each judged by its own type.
            access: access with management tokens; secret.
        """
        declared = pulumi.Output.all(
            *(
                pulumi.Output.all(
                    id=job.id,
                    namespace=job.namespace,
                    type=job.type,
                    specification=pulumi.Output.all(job.jobspec, job.json).apply(
                        lambda source: source[0] if source[1] else ""
                    ),
                )
                for job in jobs
            )
        )
        props = {"jobs": declared, "access": pulumi.Output.secret(access)}
        depends = pulumi.ResourceOptions(depends_on=list(jobs))
        super().__init__(
            JobHealthProvider(), name, props, pulumi.ResourceOptions.merge(opts, depends)
        )
