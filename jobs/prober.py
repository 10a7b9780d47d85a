"""The job prober: keeps the checks of external nodes up to date; one instance does for all."""

from jobs.jobspec import Artifact, Job, Resources
from jobs.program import ALWAYS_RESCHEDULE, Driver, program_job


def prober_job(artifact: Artifact, *, datacenter: str, driver: Driver) -> Job:
    """One instance, small; a second one during an update does no harm, for writes compare and set."""
    return program_job(
        name="prober",
        datacenter=datacenter,
        driver=driver,
        artifact=artifact,
        count=1,
        resources=Resources(cpu=100, memory=64),
        reschedule=ALWAYS_RESCHEDULE,
    )
