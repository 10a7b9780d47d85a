"""The job frontserve: what the load balancer forwards to, on one fixed port of each node."""

from jobs.jobspec import Artifact, Job
from jobs.program import Driver, program_job


def frontserve_job(
    artifact: Artifact, *, datacenter: str, driver: Driver, count: int, port: int
) -> Job:
    """``count`` instances on ``port``, so never two on one node."""
    return program_job(
        name="frontserve",
        datacenter=datacenter,
        driver=driver,
        artifact=artifact,
        count=count,
        port=port,
    )
