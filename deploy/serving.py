"""What a stack serves after an update: the declared jobs, and what answers at the URL."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.cluster import Cluster, ClusterError
from deploy.failure import Failure
from deploy.stack import root_outputs
from deploy.terminal import Terminal
from deploy.verify import check_url
from infra.cluster_api.job_status import DeclaredJob, JobStatus, select_declared

TIMEOUT_S = 60.0
"""How long a short job or an unanswered request may last."""
POLL_INTERVAL_S = 0.5
JOB_TYPE = "nomad:index/job:Job"


@dataclass(frozen=True)
class Serving:
    """The declared jobs as they are, and the answer at the URL."""

    jobs: tuple[JobStatus, ...] = ()
    answer: str = ""
    failures: tuple[Failure, ...] = ()


def wait_until_serving(
    resources: Sequence[Mapping[str, Any]], timeout_s: float = TIMEOUT_S
) -> Serving:
    """Return what the stack serves, once it is as declared or the time is over.

    Args:
        resources: those of the state, with secrets in plain text.
    """
    outputs = root_outputs(resources)
    declared = [
        DeclaredJob(
            id=resource["id"],
            namespace=resource["outputs"]["namespace"],
            type=resource["outputs"]["type"],
        )
        for resource in resources
        if resource["type"] == JOB_TYPE and not resource.get("delete")
    ]
    if not declared:
        return Serving()
    deadline = time.monotonic() + timeout_s
    while True:
        serving = _look(outputs, declared)
        if not serving.failures or time.monotonic() >= deadline:
            return serving
        time.sleep(POLL_INTERVAL_S)


def _look(outputs: Mapping[str, Any], declared: Iterable[DeclaredJob]) -> Serving:
    try:
        jobs = select_declared(Cluster.from_outputs(outputs).jobs(), declared)
    except ClusterError as error:
        return Serving(failures=(Failure("", "", f"nothing is known of the jobs: {error}"),))
    failures = [Failure(job.name, "Job", job.shortage) for job in jobs if not job.is_healthy]
    is_answered, answer = check_url(str(outputs["url"]), jobs)
    if not is_answered:
        failures.append(Failure("", "", answer))
    return Serving(jobs, answer, tuple(failures))


def show(serving: Serving, terminal: Terminal) -> None:
    """Show the jobs with their instances, and what answers."""
    if serving.jobs:
        terminal.table(
            ("job", "type", "healthy", "on"),
            [
                (
                    job.name,
                    job.type,
                    f"{job.healthy} of {job.declared}" if job.declared else "-",
                    ", ".join(job.nodes) or "-",
                )
                for job in serving.jobs
            ],
        )
    if serving.answer and not serving.failures:
        terminal.text(f"  {serving.answer}")
