"""The job backserve: the greeting, on a port that only Consul knows, for whom Consul's intentions allow."""

from jobs.jobspec import Artifact, Job
from jobs.program import Driver, program_job


def backserve_job(
    artifact: Artifact, *, datacenter: str, driver: Driver, count: int, greeting: str
) -> Job:
    """``count`` instances that answer with ``greeting``."""
    return program_job(
        name="backserve",
        datacenter=datacenter,
        driver=driver,
        artifact=artifact,
        count=count,
        connect=True,
        env={"BACKSERVE_GREETING": greeting},
    )
